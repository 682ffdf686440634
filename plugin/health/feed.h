// Follows the node's condition and makes a report of it whenever there is news or somebody asks.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "driver/manager.h"
#include "hal/os/clock.h"
#include "plugin/health/report.h"

namespace drapci::plugin::health {

// One thread of its own, which takes the snapshots. Any thread may call.
class HealthFeed {
 public:
  // On the feed's thread; must not block.
  using Receiver = std::function<void(const HealthReport&)>;
  using Looked = std::function<void(const driver::Snapshot&)>;

  // `manager` and `clock` must outlive the feed. `looked` (may be empty) sees every snapshot, also
  // when nobody wants reports.
  HealthFeed(driver::Manager& manager, const hal::Clock& clock, std::string node_name,
             Looked looked);
  ~HealthFeed();

  // Who gets the reports: one after each change (those that come within moments are one), one after
  // each Want(), and one before the last is too old. Each is complete.
  void SendTo(Receiver receiver);
  // Nobody gets one any more when this returns.
  void SendToNobody();

  // Somebody more wants reports, the first one at once; or does not any more.
  void Want();
  void WantNoMore();

  // The number of claims may have changed: `looked` is called within a second, with what was seen
  // last.
  void Nudge();

 private:
  using Steady = std::chrono::steady_clock;
  void Follow();
  // With mutex_ held: when the thread has to look without being told.
  std::optional<Steady::time_point> Deadline() const;
  void Look(std::unique_lock<std::mutex>& lock);

  driver::Manager& manager_;
  const hal::Clock& clock_;
  const std::string node_name_;
  const Looked looked_;

  std::mutex mutex_, sending_;  // sending_: held while the receiver runs
  std::condition_variable wake_;
  Receiver receiver_;  // under sending_
  bool stopping_ = false, changed_ = true;
  int wanting_ = 0, joined_ = 0;  // joined_: have had nothing yet
  std::optional<HealthReport> last_;
  std::shared_ptr<const driver::Snapshot> seen_;  // of the thread
  // Not before, for a change; not later, for one who wants reports; when somebody asked for a look.
  Steady::time_point calm_until_{}, again_at_{};
  std::optional<Steady::time_point> nudged_;
  driver::Listeners::Token listening_;
  std::thread thread_;
};

}  // namespace drapci::plugin::health
