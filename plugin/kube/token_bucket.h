// How often something may be done.
#pragma once

#include <algorithm>
#include <chrono>

#include "hal/os/clock.h"

namespace drapci::plugin::kube {

// `rate` a second on the average, `burst` at once. Time is an argument.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  bool Take(hal::MonotonicTime now) {
    const std::chrono::duration<double> passed = now - last_;
    last_ = std::max(last_, now);
    tokens_ = std::min(burst_, tokens_ + std::max(0.0, passed.count()) * rate_);
    // What has been waited for exactly must not be missed by rounding.
    if (tokens_ < 1 - 1e-6) return false;
    tokens_ -= 1;
    return true;
  }

  // After a Take() that failed: how long until one will succeed.
  std::chrono::milliseconds Wait() const {
    return std::chrono::ceil<std::chrono::milliseconds>(
        std::chrono::duration<double>((1 - tokens_) / rate_));
  }

 private:
  double rate_, burst_, tokens_;
  hal::MonotonicTime last_{};
};

}  // namespace drapci::plugin::kube
