// The event loop of everything that talks to the API server: one thread, timers, and tasks from
// other threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "hal/base/result.h"
#include "hal/os/clock.h"

namespace drapci::plugin::kube {

// What runs on the loop runs on its one thread and must not block; so nothing there needs a lock.
class Loop {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;  // 0 is none

  virtual ~Loop() = default;

  // Any thread.
  virtual void Post(Task task) = 0;

  // On the loop's thread only. A timer fires once; cancelling one that has fired does nothing.
  virtual TimerId After(std::chrono::milliseconds delay, Task task) = 0;
  virtual void Cancel(TimerId timer) = 0;

  // Any thread.
  virtual hal::MonotonicTime Now() const = 0;
  virtual hal::WallTime Wall() const = 0;
};

}  // namespace drapci::plugin::kube
