#include "plugin/slices/schedule.h"

#include <algorithm>
#include <utility>

namespace drapci::plugin::slices {

void Schedule::Now() { Want(loop_.Now()); }

void Schedule::Changed() {
  const hal::MonotonicTime soon = loop_.Now() + kGather;
  Want(last_ ? std::max(soon, *last_ + kBetween) : soon);
}

void Schedule::Disturbed() {
  repairing_ = true;
  Want(loop_.Now() + RepairDelay());
}

void Schedule::Wiped() {
  repairing_ = true;
  wiped_until_ = loop_.Now() + RepairDelay();
  Want(wiped_until_);
}

void Schedule::Block(Duration delay) {
  blocked_until_ = loop_.Now() + delay;
  Want(blocked_until_);
}

void Schedule::Acted() {
  last_ = loop_.Now();
  if (!std::exchange(repairing_, false)) return;
  if (last_repair_ && *last_ - *last_repair_ > kQuiet) repairs_ = 0;
  repairs_ = std::min(repairs_ + 1, 10);
  last_repair_ = last_;
}

Schedule::Duration Schedule::RepairDelay() {
  const Duration jitter(std::uniform_int_distribution<int64_t>(0, kRepairJitter.count())(random_));
  const bool calm = !last_repair_ || loop_.Now() - *last_repair_ > kQuiet;
  return (calm ? kRepair : std::min(kRepair * (1 << repairs_), kRepairMost)) + jitter;
}

void Schedule::Want(hal::MonotonicTime at) {
  wanted_ = wanted_ ? std::min(*wanted_, at) : at;
  const hal::MonotonicTime due = std::max({*wanted_, wiped_until_, blocked_until_});
  loop_.Cancel(timer_);
  const auto delay = std::max(due - loop_.Now(), hal::MonotonicTime::duration(0));
  timer_ = loop_.After(std::chrono::ceil<Duration>(delay), [this] {
    timer_ = 0;
    wanted_.reset();
    act_();
  });
}

}  // namespace drapci::plugin::slices
