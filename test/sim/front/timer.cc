#include "test/sim/front/timer.h"

namespace drapci::sim {

Timer::Timer(std::function<void(uint64_t)> due)
    : due_(std::move(due)), thread_(&Timer::Loop, this) {}

Timer::~Timer() { Stop(); }

void Timer::Wait(std::chrono::milliseconds time) {
  auto end = std::chrono::steady_clock::now() + time;
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, end, [this] { return stopped_; });
}

void Timer::Schedule(uint64_t id, std::chrono::milliseconds time) {
  std::lock_guard lock(mutex_);
  scheduled_.emplace(std::chrono::steady_clock::now() + time, id);
  changed_.notify_all();
}

void Timer::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Timer::Loop() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (scheduled_.empty()) {
      changed_.wait(lock);
      continue;
    }
    auto first = scheduled_.begin();
    if (first->first > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, first->first);
      continue;
    }
    uint64_t id = first->second;
    scheduled_.erase(first);
    lock.unlock();
    due_(id);
    lock.lock();
  }
}

}  // namespace drapci::sim
