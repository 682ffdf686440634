// Tells the cluster of cards whose condition has changed: Events on the Node, and a condition in
// the status of the claims that hold something of them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "driver/manager.h"
#include "hal/os/state_dir.h"
#include "plugin/claims/events.h"
#include "plugin/claims/status.h"

namespace drapci::plugin::health {

// What has happened to a card between two looks.
enum class Turn {
  kNone,
  kUnhealthy,  // or unhealthy for another reason
  kRecovered,
};
Turn TurnOf(const driver::Health& before, const driver::Health& now);

// On the loop's thread. Best effort; nobody waits for it.
class HealthTeller {
 public:
  struct Options {
    std::string driver_name, node_name;
    bool claim_status = true;
  };
  // `statuses` may be null. `state` remembers which claims carry the condition, so that it is put
  // right after a restart; null: it is not. All must outlive the teller.
  HealthTeller(driver::Manager& manager, claims::Events& events, claims::StatusWriter* statuses,
               hal::StateDir* state, Options options);

  // What has changed since the last snapshot. Verdicts of it are told as they are: who wants a card
  // that flaps to be quieter damps them before.
  void Look(const driver::Snapshot& snapshot);

  // The status of a prepared claim, with the condition "DRIVER/Healthy" on its devices: False while
  // their card is unhealthy, and from then on True or Unknown. A claim that was spared has none.
  std::vector<claims::DeviceStatus> StatusOf(const driver::ClaimRecord& record);

  // It will not be told of again.
  void Released(const std::string& uid);

 private:
  const driver::Health* HealthOf(const std::string& card) const;
  void TellEvent(const driver::AcceleratorView& card, Turn turn);
  void WriteClaims(const std::set<std::string>& cards);
  void Mark(const std::string& uid, bool marked);
  void Save();

  driver::Manager& manager_;
  claims::Events& events_;
  claims::StatusWriter* const statuses_;
  hal::StateDir* const state_;
  const Options options_;
  std::map<std::string, driver::Health> told_;  // by card
  std::set<std::string> marked_;                // claims that carry the condition
  std::set<std::string> unsure_;  // that carried it when the last daemon stopped, not looked at yet
};

}  // namespace drapci::plugin::health
