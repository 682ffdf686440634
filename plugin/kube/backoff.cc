#include "plugin/kube/backoff.h"

#include <algorithm>

namespace drapci::plugin::kube {

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most, uint64_t seed)
    : first_(first), most_(most), random_(seed) {}

std::chrono::milliseconds Backoff::Next(std::optional<std::chrono::seconds> retry_after) {
  constexpr int kMostDoublings = 30;
  std::chrono::milliseconds delay =
      std::min(most_, first_ * (int64_t{1} << std::min(attempt_, kMostDoublings)));
  if (attempt_ < kMostDoublings) ++attempt_;
  std::uniform_int_distribution<int64_t> part(delay.count() / 2, delay.count());
  delay = std::chrono::milliseconds(part(random_));
  return retry_after ? std::max<std::chrono::milliseconds>(delay, *retry_after) : delay;
}

}  // namespace drapci::plugin::kube
