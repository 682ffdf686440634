// Who wants to know what the manager does and how long it takes.
#pragma once

#include <chrono>
#include <string_view>

namespace drapci::driver {

// Called on worker threads, in the middle of the work: must be quick, and must not call back.
class Observer {
 public:
  using Duration = std::chrono::steady_clock::duration;
  virtual ~Observer() = default;

  enum class Work { kPrepare, kUnprepare };
  // A call, from when it was asked for: waiting for its lanes counts. `accelerator` is one of the
  // claim's; empty when none of it is known here.
  virtual void Finished(Work work, std::string_view accelerator, bool well, Duration took) = 0;
  // One step of the hardware, made or undone, whose value had to be changed or not.
  virtual void StepFinished(Work work, std::string_view accelerator, std::string_view setting,
                            bool well, Duration took) = 0;
};

}  // namespace drapci::driver
