// A loop whose time is turned by the test. Tasks run when the test says so, on the test's thread.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "plugin/kube/loop.h"

namespace drapci::plugin::kube {

class FakeLoop : public Loop {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId After(std::chrono::milliseconds delay, Task task) override {
    timers_.emplace(std::pair(now_ + delay, ++last_), std::move(task));
    return last_;
  }
  void Cancel(TimerId timer) override {
    std::erase_if(timers_, [timer](const auto& each) { return each.first.second == timer; });
  }
  hal::MonotonicTime Now() const override { return now_; }
  hal::WallTime Wall() const override {
    return hal::WallTime(std::chrono::seconds(1'800'000'000)) +
           std::chrono::duration_cast<hal::WallTime::duration>(now_.time_since_epoch());
  }

  // Runs what is posted, until nothing is.
  void Run() {
    while (!tasks_.empty()) {
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  // Lets `duration` pass: every timer due in it fires at its time.
  void Advance(std::chrono::milliseconds duration) {
    const hal::MonotonicTime end = now_ + duration;
    Run();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      const auto timer = timers_.begin();
      now_ = std::max(now_, timer->first.first);
      const Task task = std::move(timer->second);
      timers_.erase(timer);
      task();
      Run();
    }
    now_ = end;
  }
  size_t timers() const { return timers_.size(); }

 private:
  hal::MonotonicTime now_{};
  TimerId last_ = 0;
  std::deque<Task> tasks_;
  std::map<std::pair<hal::MonotonicTime, TimerId>, Task> timers_;
};

}  // namespace drapci::plugin::kube
