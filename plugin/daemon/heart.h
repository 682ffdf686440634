// The daemon's word to systemd that all of it is alive (sd_watchdog_enabled(3)).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "plugin/daemon/watchdog.h"

struct sd_event;
struct sd_event_source;

namespace drapci::plugin {

// On the thread of `event`, which is how that is watched as well. Without a watchdog in the unit it
// does nothing.
class Heart {
 public:
  // `status`: what systemd shows when nothing is stuck.
  static Result<std::unique_ptr<Heart>> Start(sd_event* event, std::function<std::string()> status);
  Heart(const Heart&) = delete;
  Heart& operator=(const Heart&) = delete;
  ~Heart();

  Watchdog& watchdog() { return watchdog_; }

 private:
  Heart(std::chrono::microseconds limit, std::function<std::string()> status)
      : limit_(limit), watchdog_(limit / 2), status_(std::move(status)) {}
  static int OnBeat(sd_event_source* source, uint64_t time, void* heart);
  void Beat();

  const std::chrono::microseconds limit_;
  Watchdog watchdog_;
  const std::function<std::string()> status_;
  std::vector<std::string> stuck_;
  sd_event_source* source_ = nullptr;
};

}  // namespace drapci::plugin
