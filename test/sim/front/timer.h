// Time for the model: interruptible waiting, and deferred actions that run when they are due.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace drapci::sim {

// Any thread.
class Timer {
 public:
  explicit Timer(std::function<void(uint64_t)> due);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Returns when the time has passed, or at once after Stop.
  void Wait(std::chrono::milliseconds time);
  // Calls due(id) on the timer's thread after that time.
  void Schedule(uint64_t id, std::chrono::milliseconds time);
  // Ends all waiting, now and later; what is scheduled no longer happens. One thread may call it.
  void Stop();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  void Loop();
  std::function<void(uint64_t)> due_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::multimap<TimePoint, uint64_t> scheduled_;
  std::thread thread_;
};

}  // namespace drapci::sim
