// Time, behind a seam so that tests can turn it.
//
// Deadlines are points of the monotonic clock; wall time appears in records and logs only.
#pragma once

#include <chrono>

namespace drapci::hal {

using MonotonicTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() const = 0;
  virtual WallTime Wall() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME. Any thread.
class SystemClock : public Clock {
 public:
  MonotonicTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime Wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace drapci::hal
