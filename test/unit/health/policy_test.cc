#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "test/unit/health/card.h"

namespace drapci::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;
using testing::StartsWith;
using Kind = HealthRule::Kind;
using Until = HealthRule::Until;

HealthRule Fatal() {
  HealthRule rule = RuleNamed("aer-fatal");
  rule.quiet = 60s;
  return rule;
}

HealthRule Hot() {
  return {.name = "hot",
          .source = "hwmon",
          .signal = "temperature",
          .kind = Kind::kAbove,
          .limit = 100,
          .hold = 10s,
          .severity = Severity::kNoSchedule,
          .reason = "Hot",
          .meaning = "It is hot",
          .quiet = 30s,
          .margin = 5};
}

HealthRule Wedged(Until until) {
  HealthRule rule = RuleNamed("drm-wedged");
  rule.until = until;
  return rule;
}

TEST(HealthPolicyTest, KnowsNothingBeforeEverySourceHasAnswered) {
  Card card({Fatal(), Hot()});
  card.Has("aer");
  card.Has("hwmon");
  EXPECT_EQ(card.Tell("aer", 1s, {Value("aer_fatal", 0)}).health.reason, "NotMeasured");
  const Health health = card.Tell("hwmon", 2s, {Value("temperature", 50)}).health;
  EXPECT_EQ(health.state, HealthState::kHealthy);
  EXPECT_EQ(health.reason, "Healthy");
  EXPECT_EQ(health.since, At(2s).wall);
  EXPECT_THAT(health.findings, IsEmpty());
}

TEST(HealthPolicyTest, SaysWhenTheOldestSourceWasReadAndForHowLongThatCounts) {
  Card card({Fatal(), Hot()});
  card.Has("aer", 15s);
  card.Has("hwmon", 30s);
  card.Tell("hwmon", 1s, {Value("temperature", 50)});
  const Health health = card.Tell("aer", 10s, {Value("aer_fatal", 0)}).health;
  EXPECT_EQ(health.measured, At(10s).wall) << "aer counts until 25 s, hwmon until 31 s";
  EXPECT_EQ(health.valid_for, 15s);
}

TEST(HealthPolicyTest, ACounterThatGrowsCrossesAndItsRestIsEvidence) {
  Card card({Fatal()});
  card.Has("aer");
  EXPECT_EQ(card.Tell("aer", 0s, {Value("aer_fatal", 7)}).health.state, HealthState::kHealthy)
      << "what was counted before is nobody's evidence";
  const Judgement judged = card.Tell("aer", 5s, {Value("aer_fatal", 9, "", "DLP 2")});
  EXPECT_EQ(judged.health.state, HealthState::kUnhealthy);
  EXPECT_EQ(judged.health.reason, "PcieFatalError");
  EXPECT_THAT(judged.health.message, HasSubstr("aer_fatal grew by 2 to 9 within 60 s (DLP 2)"));
  EXPECT_TRUE(judged.changed);
  ASSERT_THAT(judged.health.findings, SizeIs(1));
  EXPECT_EQ(judged.health.findings[0].since, At(5s).wall);
}

TEST(HealthPolicyTest, TheEvidenceStaysTheSameWhileTheFindingHolds) {
  Card card({Hot()});
  card.Has("hwmon");
  card.Tell("hwmon", 0s, {Value("temperature", 101)});
  EXPECT_TRUE(card.Tell("hwmon", 10s, {Value("temperature", 103)}).changed);
  for (int i = 3; i < 20; ++i) {
    EXPECT_FALSE(card.Tell("hwmon", i * 5s, {Value("temperature", 100.0 + i)}).changed) << i;
  }
}

TEST(HealthPolicyTest, QuietBringsBackWhatGrew) {
  Card card({Fatal()});
  card.Has("aer");
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  card.Tell("aer", 5s, {Value("aer_fatal", 1)});
  card.Tell("aer", 60s, {Value("aer_fatal", 1)});
  EXPECT_EQ(card.Tell("aer", 64s, {Value("aer_fatal", 1)}).health.state, HealthState::kUnhealthy);
  const Judgement judged = card.Tell("aer", 65s, {Value("aer_fatal", 1)});
  EXPECT_EQ(judged.health.state, HealthState::kHealthy);
  EXPECT_TRUE(judged.changed);
}

TEST(HealthPolicyTest, FurtherGrowthKeepsItUnhealthy) {
  Card card({Fatal()});
  card.Has("aer");
  for (int i = 0; i < 100; ++i) card.Tell("aer", i * 10s, {Value("aer_fatal", i)});
  EXPECT_EQ(card.Wait(995s).health.state, HealthState::kUnhealthy);
}

TEST(HealthPolicyTest, ASmallerCounterWasStartedAnewAndCountsFromNothing) {
  Card card({Fatal()});
  card.Has("aer");
  card.Tell("aer", 0s, {Value("aer_fatal", 50)});
  EXPECT_EQ(card.Tell("aer", 5s, {Value("aer_fatal", 0)}).health.state, HealthState::kHealthy);
  EXPECT_THAT(card.Tell("aer", 10s, {Value("aer_fatal", 1)}).health.message,
              HasSubstr("grew by 1 to 1"));
}

TEST(HealthPolicyTest, GrowthIsCountedWithinTheWindowOnly) {
  HealthRule rule = RuleNamed("aer-correctable");
  Card card({rule, Fatal()});
  card.Has("aer");
  double counter = 0;
  // 90 a minute, for an hour.
  for (auto now = 0s; now < 3600s; now += 10s) {
    const auto judged =
        card.Tell("aer", now, {Value("aer_correctable", counter), Value("aer_fatal", 0)});
    ASSERT_THAT(judged.health.findings, IsEmpty()) << now.count();
    counter += now % 60s == 0s ? 40 : 10;
  }
  const auto judged =
      card.Tell("aer", 3600s, {Value("aer_correctable", counter + 60), Value("aer_fatal", 0)});
  ASSERT_THAT(judged.health.findings, SizeIs(1));
  EXPECT_EQ(judged.health.state, HealthState::kHealthy) << "a note leaves it so";
  EXPECT_EQ(judged.health.reason, "PcieCorrectedErrors");
}

TEST(HealthPolicyTest, AGaugeMustHoldAndLetsGoBeyondItsMargin) {
  Card card({Hot()});
  card.Has("hwmon");
  const auto state = [&](std::chrono::seconds when, double value) {
    return card.Tell("hwmon", when, {Value("temperature", value, "edge")}).health.state;
  };
  EXPECT_EQ(state(0s, 101), HealthState::kHealthy) << "not long enough";
  EXPECT_EQ(state(5s, 99), HealthState::kHealthy) << "and it began anew";
  EXPECT_EQ(state(10s, 101), HealthState::kHealthy);
  EXPECT_EQ(state(20s, 101), HealthState::kUnhealthy);
  EXPECT_EQ(state(60s, 97), HealthState::kUnhealthy) << "within the margin";
  EXPECT_EQ(state(100s, 96), HealthState::kUnhealthy);
  EXPECT_EQ(state(101s, 95), HealthState::kUnhealthy) << "quiet from here";
  EXPECT_EQ(state(129s, 95), HealthState::kUnhealthy);
  EXPECT_EQ(state(130s, 95), HealthState::kHealthy) << "30 s after the last bad value";
}

TEST(HealthPolicyTest, TheCardsOwnLimitIsTakenFromTheSameSample) {
  HealthRule rule = Hot();
  rule.limit_signal = "temperature_crit";
  rule.hold = 0s;
  Card card({rule});
  card.Has("hwmon");
  EXPECT_EQ(card.Tell("hwmon", 0s,
                      {Value("temperature", 90, "mem"), Value("temperature_crit", 105, "mem"),
                       Value("temperature", 500, "edge")})
                .health.state,
            HealthState::kHealthy)
      << "edge has no limit";
  EXPECT_THAT(card.Tell("hwmon", 5s,
                        {Value("temperature", 106, "mem"), Value("temperature_crit", 105, "mem")})
                  .health.message,
              HasSubstr("temperature of mem is 106, above 105"));
}

TEST(HealthPolicyTest, InstancesThatARuleLeavesOutDoNotCount) {
  Card card({Fatal(), RuleNamed("aer-root-port")});
  card.Has("aer");
  card.Tell("aer", 0s, {Value("aer_fatal", 0), Value("aer_fatal", 0, "root port")});
  const auto judged =
      card.Tell("aer", 5s, {Value("aer_fatal", 0), Value("aer_fatal", 4, "root port")});
  EXPECT_EQ(judged.health.state, HealthState::kHealthy);
  ASSERT_THAT(judged.health.findings, SizeIs(1));
  EXPECT_EQ(judged.health.findings[0].severity, Severity::kNote);
}

TEST(HealthPolicyTest, AnInstanceThatIsNotThereAnyMoreIsNotHeldAgainstTheCard) {
  HealthRule rule = Hot();
  rule.hold = 0s;
  Card card({rule});
  card.Has("hwmon");
  card.Tell("hwmon", 0s, {Value("temperature", 120, "hbm3"), Value("temperature", 50, "edge")});
  EXPECT_EQ(card.Tell("hwmon", 5s, {Value("temperature", 50, "edge")}).health.state,
            HealthState::kUnhealthy);
  EXPECT_EQ(card.Tell("hwmon", 30s, {Value("temperature", 50, "edge")}).health.state,
            HealthState::kHealthy);
}

TEST(HealthPolicyTest, ASourceThatDoesNotAnswerInTimeMakesItUnknown) {
  Card card({Fatal(), Hot()});
  card.Has("aer");
  card.Has("hwmon");
  card.Tell("hwmon", 0s, {Value("temperature", 50)});
  auto judged = card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  EXPECT_EQ(judged.next, At(15s).at);
  judged = card.Tell("aer", 14s, {Value("aer_fatal", 0)});
  EXPECT_EQ(judged.health.state, HealthState::kHealthy);
  judged = card.Wait(15s);
  EXPECT_EQ(judged.health.state, HealthState::kUnknown);
  EXPECT_EQ(judged.health.reason, "TelemetryStale");
  EXPECT_THAT(judged.health.message,
              MatchesRegex("hwmon has not answered since .*: the reading is held up.*"));
  EXPECT_EQ(card.Tell("hwmon", 20s, {Value("temperature", 50)}).health.state,
            HealthState::kHealthy);
}

TEST(HealthPolicyTest, AFailureThatLastsIsToldAsTheReason) {
  Card card({Hot()});
  card.Has("hwmon");
  EXPECT_EQ(card.Fail("hwmon", 0s, "temp1_input: EIO").health.reason, "NotMeasured");
  EXPECT_EQ(card.Wait(15s).health.message, "hwmon has not answered at all: temp1_input: EIO");
}

TEST(HealthPolicyTest, WhatIsKnownToBeBadIsNotForgottenWithASourceThatIsStale) {
  Card card({Fatal(), Hot()});
  card.Has("aer");
  card.Has("hwmon");
  card.Tell("hwmon", 0s, {Value("temperature", 50)});
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  card.Tell("aer", 5s, {Value("aer_fatal", 1)});
  const Health health = card.Wait(300s).health;
  EXPECT_EQ(health.state, HealthState::kUnhealthy) << "no quiet was seen, only nothing";
  EXPECT_LT(health.measured + health.valid_for, At(300s).wall);
}

TEST(HealthPolicyTest, ASourceForNotesAloneIsNotWaitedFor) {
  Card card({RuleNamed("link-width"), Fatal()});
  card.Has("link");
  card.Has("aer");
  EXPECT_EQ(card.Tell("aer", 0s, {Value("aer_fatal", 0)}).health.state, HealthState::kHealthy);
}

TEST(HealthPolicyTest, ACardWithoutSourcesIsUnknown) {
  Card card({Fatal()});
  const Health health = card.Wait(1s).health;
  EXPECT_EQ(health.state, HealthState::kUnknown);
  EXPECT_EQ(health.reason, "NoTelemetry");
}

TEST(HealthPolicyTest, ASleepingCardStaysWhatItWas) {
  HealthRule rule = Hot();
  rule.hold = 0s;
  Card card({rule});
  card.Has("hwmon");
  EXPECT_EQ(card.Tell("hwmon", 0s, {}).health.state, HealthState::kHealthy);
  card.Tell("hwmon", 5s, {Value("temperature", 120)});
  EXPECT_EQ(card.Tell("hwmon", 500s, {}).health.state, HealthState::kUnhealthy);
}

TEST(HealthPolicyTest, ASourceThatGoesTakesWhatItSaidAlong) {
  HealthRule rule = Hot();
  rule.hold = 0s;
  Card card({rule, Fatal()});
  card.Has("hwmon");
  card.Has("aer");
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  card.Tell("hwmon", 0s, {Value("temperature", 120)});
  card.state().Forget("hwmon");
  card.Tell("aer", 14s, {Value("aer_fatal", 0)});
  EXPECT_EQ(card.Tell("aer", 28s, {Value("aer_fatal", 0)}).health.state, HealthState::kUnhealthy);
  EXPECT_EQ(card.Tell("aer", 30s, {Value("aer_fatal", 0)}).health.state, HealthState::kHealthy);
}

TEST(HealthPolicyTest, AStateThatCameByEventHoldsUntilItsEndIsTold) {
  Card card({Wedged(Until::kQuiet), Fatal()}, "xe");
  card.Has("aer", 1h);
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  EXPECT_EQ(card.Tell("event", 1s, {Value("drm_wedged", 1, "", "rebind,bus-reset")}).health.message,
            "Its driver has given it up; what would bring it back: drm_wedged is 1, above 0 "
            "(rebind,bus-reset)");
  EXPECT_EQ(card.Tell("event", 500s, {Value("drm_reset", 1)}).health.reason, "Wedged");
  EXPECT_EQ(card.Tell("event", 600s, {Value("drm_wedged", 0)}).health.state, HealthState::kHealthy);
}

TEST(HealthPolicyTest, EventsAreCountedWithinTheirWindow) {
  Card card({RuleNamed("drm-resets"), Fatal()}, "xe");
  card.Has("aer", 1h);
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  for (const auto when : {0s, 400s, 800s, 1200s}) {
    EXPECT_EQ(card.Tell("event", when, {Value("drm_reset", 1)}).health.state,
              HealthState::kHealthy);
  }
  card.Tell("event", 1201s, {Value("drm_reset", 1)});
  EXPECT_EQ(card.Tell("event", 1202s, {Value("drm_reset", 1)}).health.reason, "ResetsOften");
  EXPECT_EQ(card.Wait(1801s).health.state, HealthState::kUnhealthy);
  EXPECT_EQ(card.Wait(1802s).health.state, HealthState::kHealthy);
}

struct LiftCase {
  Until until;
  bool rebound, replugged, absolved;  // what ends it
};

class HealthPolicyLiftTest : public testing::TestWithParam<LiftCase> {};

TEST_P(HealthPolicyLiftTest, IsEndedByWhatTheRuleNamesAndByWhatIsMore) {
  const auto ends = [](void (HealthPolicy::*lift)(CardState&) const) {
    Card card({Wedged(GetParam().until), Fatal()});
    card.Has("aer", 1000h);
    card.Tell("aer", 0s, {Value("aer_fatal", 0)});
    card.Tell("event", 1s, {Value("drm_wedged", 1)});
    card.Tell("event", 2s, {Value("drm_wedged", 0)});
    EXPECT_EQ(card.Wait(3s).health.state, HealthState::kUnhealthy);
    (card.policy().*lift)(card.state());
    const bool ended = card.Wait(4s).health.state == HealthState::kHealthy;
    EXPECT_EQ(card.Wait(100h).health.state == HealthState::kHealthy,
              ended || GetParam().until == Until::kQuiet);
    return ended;
  };
  EXPECT_EQ(ends(&HealthPolicy::Rebound), GetParam().rebound);
  EXPECT_EQ(ends(&HealthPolicy::Replugged), GetParam().replugged);
  EXPECT_EQ(ends(&HealthPolicy::Absolved), GetParam().absolved);
}

INSTANTIATE_TEST_SUITE_P(Untils, HealthPolicyLiftTest,
                         testing::Values(LiftCase{Until::kQuiet, false, true, true},
                                         LiftCase{Until::kRebind, true, true, true},
                                         LiftCase{Until::kReplug, false, true, true},
                                         LiftCase{Until::kOperator, false, false, true}));

TEST(HealthPolicyTest, ACardThatTwoLooksDoNotFindIsGone) {
  Card card({Fatal()});
  card.Has("aer");
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  EXPECT_EQ(card.Fail("aer", 5s, "ENODEV", true).health.reason, "Gone");
  EXPECT_EQ(card.Tell("aer", 10s, {Value("aer_fatal", 0)}).health.state, HealthState::kHealthy);
}

TEST(HealthPolicyTest, TheGravestFindingSpeaksForTheCard) {
  HealthRule hot = Hot();
  hot.hold = 0s;
  Card card({RuleNamed("aer-correctable"), hot, Wedged(Until::kQuiet)});
  card.Has("aer");
  card.Has("hwmon");
  card.Tell("aer", 0s, {Value("aer_correctable", 0)});
  card.Tell("aer", 1s, {Value("aer_correctable", 500)});
  card.Tell("hwmon", 2s, {Value("temperature", 120)});
  const Health health = card.Tell("event", 3s, {Value("drm_wedged", 1)}).health;
  EXPECT_EQ(health.reason, "Wedged");
  ASSERT_THAT(health.findings, SizeIs(3));
  EXPECT_EQ(health.findings[1].reason, "Hot");
  EXPECT_EQ(health.findings[2].severity, Severity::kNote);
}

TEST(HealthPolicyTest, WhatComesAndGoesMustStayAwayLongerEachTime) {
  Card card({Wedged(Until::kQuiet), Fatal()});
  card.Has("aer", 1000h);
  card.Tell("aer", 0s, {Value("aer_fatal", 0)});
  std::chrono::nanoseconds now = 0s;
  std::vector<int64_t> away;
  for (int i = 0; i < 10; ++i) {
    card.Tell("event", now += 1s, {Value("drm_wedged", 1)});
    const auto ended = now += 1s;
    Judgement judged = card.Tell("event", ended, {Value("drm_wedged", 0)});
    while (judged.health.state != HealthState::kHealthy) {
      now = judged.next->time_since_epoch() - 1h;
      judged = card.Wait(now);
    }
    away.push_back(std::chrono::duration_cast<std::chrono::seconds>(now - ended).count());
  }
  EXPECT_THAT(away, ElementsAre(29, 59, 119, 239, 479, 959, 1919, 3599, 3599, 3599));
}

TEST(HealthPolicyTest, NoMessageIsLongOrSteersATerminal) {
  HealthRule rule = Hot();
  rule.hold = 0s;
  Card card({rule});
  card.Has("hwmon");
  const auto judged = card.Tell(
      "hwmon", 0s, {Value("temperature", 1e300, std::string(500, 'x'), "\x1b[31m\n\xff")});
  EXPECT_LT(judged.health.message.size(), 200u);
  for (const char c : judged.health.message) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(HealthPolicyTest, NotesTellWhichSampleCrossedWhichRuleWhen) {
  Card card({Hot()});
  card.Has("hwmon");
  const auto crossed = card.Tell("hwmon", 3s, {Value("temperature", 101, "edge")}).notes;
  ASSERT_THAT(crossed, SizeIs(2));
  EXPECT_EQ(crossed[0].kind, HealthNote::Kind::kCrossed);
  EXPECT_EQ(crossed[0].rule, "hot");
  EXPECT_EQ(crossed[0].when, At(3s));
  EXPECT_THAT(crossed[0].text, HasSubstr("temperature of edge is 101, above 100"));
  const auto found = card.Tell("hwmon", 13s, {Value("temperature", 102, "edge")}).notes;
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].kind, HealthNote::Kind::kFound);
  EXPECT_EQ(found[1].kind, HealthNote::Kind::kState);
  EXPECT_THAT(found[1].text, StartsWith("Unhealthy (Hot)"));
}

TEST(DefaultHealthRulesTest, HaveNamesReasonsAndSentencesOfTheirOwn) {
  std::set<std::string> names;
  for (const HealthRule& rule : DefaultHealthRules()) {
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
    EXPECT_THAT(rule.name, MatchesRegex("[a-z][a-z0-9-]*"));
    EXPECT_THAT(rule.reason, MatchesRegex("([A-Z][a-z]+)+")) << rule.name;
    EXPECT_FALSE(rule.meaning.empty()) << rule.name;
    EXPECT_LT(rule.meaning.size(), 80u) << rule.name;
    EXPECT_FALSE(rule.source.empty() || rule.signal.empty()) << rule.name;
  }
  EXPECT_GE(names.size(), 30u);
}

}  // namespace
}  // namespace drapci::driver
