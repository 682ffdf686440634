// How long to wait before the next attempt.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

namespace drapci::plugin::kube {

// Doubles from `first` to `most`, each with up to a half taken off at random, so that a thousand
// nodes do not come back in step. A server's Retry-After is never undercut.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most, uint64_t seed);
  std::chrono::milliseconds Next(std::optional<std::chrono::seconds> retry_after = std::nullopt);
  void Reset() { attempt_ = 0; }
  int attempts() const { return attempt_; }

 private:
  std::chrono::milliseconds first_, most_;
  std::mt19937_64 random_;
  int attempt_ = 0;
};

}  // namespace drapci::plugin::kube
