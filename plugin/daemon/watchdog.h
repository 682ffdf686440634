// Which of the daemon's loops still turn: each is asked to answer, on its own thread.
//
// Not thread-safe, but for the answers, which may come from any thread and even after the end. The
// lanes are not among the loops: what blocks in the kernel on one card must not end the work on all
// others, and no restart would help it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hal/os/clock.h"

namespace drapci::plugin {

class Watchdog {
 public:
  using Answer = std::function<void()>;
  // Has the loop call `answer` soon, on its own thread. Must not block.
  using Ask = std::function<void(Answer answer)>;

  // A loop that has not answered for longer than `patience` is stuck.
  explicit Watchdog(std::chrono::nanoseconds patience) : patience_(patience) {}

  void Watch(std::string name, Ask ask);

  // The loops that are stuck. Asks the others anew.
  std::vector<std::string> Look(hal::MonotonicTime now);

 private:
  struct Loop {
    std::string name;
    Ask ask;
    std::shared_ptr<std::atomic<bool>> answered;
    hal::MonotonicTime asked;
  };

  const std::chrono::nanoseconds patience_;
  std::vector<Loop> loops_;
};

}  // namespace drapci::plugin
