// A card whose sources say what a test wants, at times that the test sets.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "driver/health/policy.h"

namespace drapci::driver {

using namespace std::chrono_literals;

inline Moment At(std::chrono::nanoseconds time) {
  return {hal::MonotonicTime(std::chrono::hours(1) + time),
          hal::WallTime(std::chrono::hours(24 * 365 * 50) +
                        std::chrono::duration_cast<hal::WallTime::duration>(time))};
}

inline Sample Told(std::string source, std::chrono::nanoseconds when,
                   std::vector<hal::Reading> readings) {
  return {.source = std::move(source), .taken = At(when), .readings = std::move(readings)};
}

inline hal::Reading Value(std::string signal, double value, std::string instance = "",
                          std::string text = "") {
  return {std::move(signal), std::move(instance), value, std::move(text)};
}

class Card {
 public:
  explicit Card(std::vector<HealthRule> rules, std::string family = "sriov")
      : policy_(std::move(rules)) {
    state_.family = std::move(family);
  }
  void Has(const std::string& source, std::chrono::nanoseconds valid = 15s,
           std::chrono::nanoseconds now = 0s) {
    state_.Expect(source, valid, At(now).at);
  }
  // One sample is judged at once.
  Judgement Tell(const std::string& source, std::chrono::nanoseconds when,
                 std::vector<hal::Reading> readings) {
    const Sample sample = Told(source, when, std::move(readings));
    return policy_.Judge(state_, {&sample, 1}, At(when));
  }
  Judgement Fail(const std::string& source, std::chrono::nanoseconds when, std::string why,
                 bool gone = false) {
    const Sample sample{
        .source = source, .taken = At(when), .failure = std::move(why), .gone = gone};
    return policy_.Judge(state_, {&sample, 1}, At(when));
  }
  Judgement Wait(std::chrono::nanoseconds when) { return policy_.Judge(state_, {}, At(when)); }

  CardState& state() { return state_; }
  const HealthPolicy& policy() const { return policy_; }

 private:
  HealthPolicy policy_;
  CardState state_;
};

inline HealthRule RuleNamed(std::string_view name) {
  return *std::ranges::find(DefaultHealthRules(), name, &HealthRule::name);
}

}  // namespace drapci::driver
