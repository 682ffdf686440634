#include "plugin/health/feed.h"

#include <algorithm>
#include <utility>

namespace drapci::plugin::health {
namespace {

using std::chrono::milliseconds;

// Changes within this time are one; a card that flaps is told so often and no more.
constexpr milliseconds kGather{20}, kBetween{200};
constexpr milliseconds kNudge{1'000};

}  // namespace

HealthFeed::HealthFeed(driver::Manager& manager, const hal::Clock& clock, std::string node_name,
                       Looked looked)
    : manager_(manager),
      clock_(clock),
      node_name_(std::move(node_name)),
      looked_(std::move(looked)) {
  listening_ = manager_.Listen([this] {
    {
      const std::lock_guard lock(mutex_);
      changed_ = true;
    }
    wake_.notify_one();
  });
  thread_ = std::thread([this] { Follow(); });
}

HealthFeed::~HealthFeed() {
  listening_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void HealthFeed::SendTo(Receiver receiver) {
  const std::lock_guard lock(sending_);
  receiver_ = std::move(receiver);
}

void HealthFeed::SendToNobody() { SendTo({}); }

void HealthFeed::Want() {
  {
    const std::lock_guard lock(mutex_);
    ++wanting_;
    ++joined_;
  }
  wake_.notify_one();
}

void HealthFeed::WantNoMore() {
  const std::lock_guard lock(mutex_);
  --wanting_;
}

void HealthFeed::Nudge() {
  {
    const std::lock_guard lock(mutex_);
    if (nudged_) return;
    nudged_ = Steady::now() + kNudge;
  }
  wake_.notify_one();
}

std::optional<HealthFeed::Steady::time_point> HealthFeed::Deadline() const {
  if (joined_ > 0) return Steady::now();
  std::optional<Steady::time_point> at = nudged_;
  if (changed_) at = std::min(at.value_or(calm_until_), calm_until_);
  if (wanting_ > 0) at = std::min(at.value_or(again_at_), again_at_);
  return at;
}

void HealthFeed::Follow() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto deadline = Deadline();
    if (!deadline) {
      wake_.wait(lock);
    } else if (*deadline > Steady::now()) {
      wake_.wait_until(lock, *deadline);
    } else {
      if (changed_ && joined_ == 0) {
        wake_.wait_for(lock, kGather, [this] { return stopping_; });
        if (stopping_) return;
      }
      Look(lock);
    }
  }
}

void HealthFeed::Look(std::unique_lock<std::mutex>& lock) {
  const bool joined = std::exchange(joined_, 0) > 0;
  const bool due = wanting_ > 0 && Steady::now() >= again_at_;
  const bool changed = std::exchange(changed_, false);
  nudged_.reset();
  lock.unlock();
  if (!joined && !due && !changed && seen_ != nullptr) {  // a nudge
    if (looked_) looked_(*seen_);
    return lock.lock();
  }
  seen_ = manager_.CurrentSnapshot();
  const auto& snapshot = seen_;
  if (looked_) looked_(*snapshot);
  const hal::WallTime now = clock_.Wall();
  HealthReport report = MakeHealthReport(*snapshot, manager_.CurrentHealth(), node_name_, now);
  if (joined || due || !last_ || !last_->Says(report)) {
    const std::lock_guard sending(sending_);
    if (receiver_) receiver_(report);
  }
  lock.lock();
  const auto after = Steady::now();
  calm_until_ = after + kBetween;
  again_at_ = after + report.Period();
  if (report.lapses) {
    // A moment later it is unknown, and that is told then.
    const auto left = std::chrono::ceil<milliseconds>(*report.lapses - now) + milliseconds(1);
    again_at_ = std::min(again_at_, after + std::max(left, milliseconds(1)));
  }
  last_ = std::move(report);
}

}  // namespace drapci::plugin::health
