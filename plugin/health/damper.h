// Holds back what a card that flaps would make of the API server. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "driver/inventory.h"
#include "hal/os/clock.h"
#include "plugin/kube/token_bucket.h"

namespace drapci::plugin::health {

// How much a verdict speaks against work: 0 nothing, then as Severity.
int Gravity(const driver::Health& health);

// What gets graver is told at once. Anything else about one card is told four times at once and
// then every fifteen seconds, as it is by then; so a card cannot get graver more often, either.
class Damper {
 public:
  // What is to be told of the card now.
  const driver::Health& Step(const std::string& card, const driver::Health& now,
                             hal::MonotonicTime time);

  // The snapshot as it is to be told: the same object, unless something is held back.
  std::shared_ptr<const driver::Snapshot> Step(std::shared_ptr<const driver::Snapshot> now,
                                               hal::MonotonicTime time);

  // When something that is held back may be told; empty: nothing is.
  std::optional<hal::MonotonicTime> Again() const;
  uint64_t held_back() const { return held_back_; }  // changes that were not told as they came

 private:
  struct Card {
    driver::Health told;
    driver::Health last;  // as it came
    kube::TokenBucket bucket{1.0 / 15, 4};
    std::optional<hal::MonotonicTime> again;
  };
  std::map<std::string, Card> cards_;
  uint64_t held_back_ = 0;
};

}  // namespace drapci::plugin::health
