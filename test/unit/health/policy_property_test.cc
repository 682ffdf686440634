#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <set>

#include "test/unit/health/card.h"

namespace drapci::driver {
namespace {

// A card whose sources say what dice say, with every kind of trouble among it.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}

  int Throw(int sides) { return static_cast<int>(random_() % static_cast<unsigned>(sides)); }

  std::vector<Sample> Samples(std::chrono::nanoseconds now) {
    std::vector<Sample> samples;
    for (int i = Throw(4); i > 0; --i) {
      const HealthRule& rule = DefaultHealthRules()[static_cast<size_t>(
          Throw(static_cast<int>(DefaultHealthRules().size())))];
      Sample sample = Told(rule.source, now, {});
      switch (Throw(12)) {
        case 0: sample.failure = "EIO"; break;
        case 1: sample.gone = Throw(4) == 0; break;
        default:
          sample.readings = {Value(rule.signal, Number(), Instance(), "text"),
                             Value("no_such_signal", 1)};
      }
      samples.push_back(sample);
    }
    return samples;
  }

 private:
  double Number() {
    switch (Throw(8)) {
      case 0: return 0;
      case 1: return 1e18 * Throw(9);
      case 2: return -5;
      case 3: return std::numeric_limits<double>::quiet_NaN();
      case 4: return std::numeric_limits<double>::infinity();
      default: return Throw(200);
    }
  }
  std::string Instance() {
    constexpr std::array kNames{"", "root port", "edge", "unreservable"};
    return Throw(20) == 0 ? std::to_string(Throw(100000))
                          : kNames.at(static_cast<size_t>(Throw(4)));
  }

  std::mt19937 random_;
};

struct Step {
  std::vector<Sample> samples;
  Moment now;
};

std::vector<Step> Story(unsigned seed) {
  Dice dice(seed);
  std::vector<Step> steps;
  std::chrono::nanoseconds now = 0s;
  for (int i = 0; i < 200; ++i) {
    now += std::chrono::milliseconds(dice.Throw(dice.Throw(10) == 0 ? 4000000 : 8000));
    steps.push_back({dice.Samples(now), At(now)});
  }
  return steps;
}

CardState NewCard() {
  CardState state;
  state.family = "amdgpu";
  for (const HealthRule& rule : DefaultHealthRules()) {
    if (rule.source != kEventSource) state.Expect(rule.source, 15s, At(0s).at);
  }
  return state;
}

TEST(HealthPolicyPropertyTest, ARecordedListOfSamplesGivesTheSameVerdictsAgain) {
  const HealthPolicy policy(DefaultHealthRules());
  for (unsigned seed = 0; seed < 8; ++seed) {
    const std::vector<Step> story = Story(seed);
    CardState first = NewCard(), second = NewCard();
    for (const Step& step : story) {
      const Judgement once = policy.Judge(first, step.samples, step.now);
      const Judgement again = policy.Judge(second, step.samples, step.now);
      ASSERT_TRUE(once.health.Says(again.health));
      ASSERT_EQ(once.health.measured, again.health.measured);
      ASSERT_EQ(once.notes.size(), again.notes.size());
    }
  }
}

TEST(HealthPolicyPropertyTest, EveryVerdictAgreesWithItsFindings) {
  const HealthPolicy policy(DefaultHealthRules());
  size_t seen[3] = {};
  for (unsigned seed = 0; seed < 20; ++seed) {
    CardState state = NewCard();
    for (const Step& step : Story(seed)) {
      const Judgement judged = policy.Judge(state, step.samples, step.now);
      const Health& health = judged.health;
      ++seen[static_cast<size_t>(health.state)];
      ASSERT_FALSE(health.reason.empty());
      ASSERT_LT(health.message.size(), 200u);
      ASSERT_LE(health.since, step.now.wall);
      ASSERT_LE(health.measured, step.now.wall);
      const bool grave =
          !health.findings.empty() && health.findings.front().severity != Severity::kNote;
      ASSERT_EQ(health.state == HealthState::kUnhealthy, grave || health.reason == "Gone");
      if (health.state == HealthState::kHealthy) {
        ASSERT_GT(health.measured + health.valid_for, step.now.wall) << "never sent as current";
      }
      for (size_t i = 1; i < health.findings.size(); ++i) {
        ASSERT_GE(health.findings[i - 1].severity, health.findings[i].severity);
        ASSERT_NE(health.findings[i - 1].rule, health.findings[i].rule);
      }
      if (judged.next) {
        ASSERT_GT(*judged.next, step.now.at);
      }
      ASSERT_LE(state.latches.size(), 1024u);
    }
  }
  EXPECT_GT(seen[0], 0u);
  EXPECT_GT(seen[2], 0u);
}

TEST(HealthPolicyPropertyTest, NothingComesOutBeforeTheTimeThatTheJudgementNames) {
  const HealthPolicy policy(DefaultHealthRules());
  for (unsigned seed = 0; seed < 8; ++seed) {
    CardState state = NewCard();
    for (const Step& step : Story(seed)) {
      const Judgement judged = policy.Judge(state, step.samples, step.now);
      if (!judged.next) continue;
      const auto wait = *judged.next - step.now.at - 1ns;
      CardState copy = state;
      const Moment just_before{step.now.at + wait, step.now.wall + 1ms};
      ASSERT_FALSE(policy.Judge(copy, {}, just_before).changed) << seed;
    }
  }
}

TEST(HealthPolicyPropertyTest, WithoutBadSamplesEveryCardComesBack) {
  std::vector<HealthRule> rules = DefaultHealthRules();
  const HealthPolicy policy(rules);
  for (unsigned seed = 0; seed < 8; ++seed) {
    CardState state = NewCard();
    std::chrono::nanoseconds now = 0s;
    for (const Step& step : Story(seed)) {
      policy.Judge(state, step.samples, step.now);
      now = step.now.at.time_since_epoch() - 1h;
    }
    std::set<std::string> sources;
    for (const HealthRule& rule : rules) sources.insert(rule.source);
    Health health;
    for (int i = 0; i < 600; ++i) {
      now += 14s;
      std::vector<Sample> samples;
      for (const std::string& source : sources) {
        Sample sample = Told(source, now, {Value("all_is_well", 0)});
        if (source == kEventSource) {
          sample.readings = {Value("aer_recovery", 0), Value("drm_wedged", 0)};
          for (const char* instance : {"root port", "edge", "unreservable"}) {
            sample.readings.push_back(Value("aer_recovery", 0, instance));
            sample.readings.push_back(Value("drm_wedged", 0, instance));
          }
          for (const auto& [key, latch] : state.latches) {
            sample.readings.push_back(Value("aer_recovery", 0, key.second));
            sample.readings.push_back(Value("drm_wedged", 0, key.second));
          }
        }
        samples.push_back(sample);
      }
      health = policy.Judge(state, samples, At(now)).health;
    }
    EXPECT_EQ(health.state, HealthState::kHealthy) << seed << ": " << health.message;
    EXPECT_TRUE(health.findings.empty()) << seed << ": " << health.findings.front().message;
  }
}

}  // namespace
}  // namespace drapci::driver
