// A node: journal, CDI directory, manager, and following what the kernel says.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "driver/config.h"
#include "driver/health/monitor.h"
#include "driver/journal.h"
#include "driver/node_manager.h"
#include "hal/os/state_dir.h"

namespace drapci::driver {

class Node {
 public:
  // Opens the journal and the CDI directory. Touches no hardware. `host`, `scanner` and `config`
  // must outlive the node.
  static Result<std::unique_ptr<Node>> Open(hal::Host& host, hal::PciScanner& scanner,
                                            const Config& config);

  // Recovery, standing settings, first snapshot; returns when all of it is done, then follows
  // events.
  Result<> Start();

  Manager& manager() { return *manager_; }
  // Has the thread that follows events call `answer`, which must not block. Any thread.
  void Ask(std::function<void()> answer);
  // Before Start(); must outlive the node.
  void Observe(Observer& observer) { manager_->Observe(observer); }
  // Null when the configuration turns it off.
  HealthMonitor* monitor() { return monitor_.get(); }
  // Ends the monitor; returns how many of its readings do not come back. They may use the host
  // again when they do: with any of them, the process must end without taking the host down.
  size_t StopMonitor();

  // Stops following events, refuses what is queued, waits for what is running.
  ~Node();

 private:
  Node(hal::Host& host, const Config& config) : host_(host), config_(config) {}
  void OnEvent(const hal::DeviceEvent& event);
  void Follow();
  void MakeMonitor();

  hal::Host& host_;
  const Config& config_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<hal::StateDir> cdi_dir_;
  std::unique_ptr<NodeManager> manager_;
  std::unique_ptr<HealthMonitor> monitor_;
  Listeners::Token cards_changed_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<hal::DeviceEvent> events_;
  std::vector<std::function<void()>> questions_;
  bool stopping_ = false;
  std::thread follower_;
};

}  // namespace drapci::driver
