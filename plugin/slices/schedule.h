// When to compare and write next. On the loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <random>

#include "plugin/kube/loop.h"

namespace drapci::plugin::slices {

// Changes of the inventory are gathered for a moment, and for longer when they keep coming. What
// others do to the slices is repaired after a while: the kubelet deletes them one by one when it
// starts and 30 s after its connection is lost, and a slice that comes back meanwhile is in its
// way. Who keeps at it is answered less and less often.
class Schedule {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kGather{20}, kBetween{250}, kRepair{2'000}, kRepairJitter{1'000},
      kRepairMost{60'000}, kQuiet{300'000};

  Schedule(kube::Loop& loop, std::function<void()> act, uint64_t seed)
      : loop_(loop), act_(std::move(act)), random_(seed) {}
  ~Schedule() { loop_.Cancel(timer_); }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  void Now();
  void Changed();
  void Disturbed();
  // As Disturbed, and nothing else is written before then either.
  void Wiped();

  // Nothing before `delay` has passed, or until Unblock().
  void Block(Duration delay);
  void Unblock() { blocked_until_ = {}; }

  // That writes begin now.
  void Acted();
  bool waiting() const { return timer_ != 0; }

 private:
  Duration RepairDelay();
  void Want(hal::MonotonicTime at);

  kube::Loop& loop_;
  const std::function<void()> act_;
  std::mt19937_64 random_;
  kube::Loop::TimerId timer_ = 0;
  std::optional<hal::MonotonicTime> wanted_, last_, last_repair_;
  hal::MonotonicTime wiped_until_, blocked_until_;
  bool repairing_ = false;
  int repairs_ = 0;
};

}  // namespace drapci::plugin::slices
