// Conditions of cards, for tests.
#pragma once

#include <string>

#include "driver/health/health.h"

namespace drapci::plugin::health {

inline driver::Health Healthy(hal::WallTime now) {
  driver::Health health;
  health.state = driver::HealthState::kHealthy;
  health.reason = "Healthy";
  health.since = health.measured = now;
  return health;
}

inline driver::Health Sick(hal::WallTime now, driver::Severity severity, std::string reason,
                           std::string message) {
  driver::Health health = Healthy(now);
  if (severity != driver::Severity::kNote) {
    health.state = driver::HealthState::kUnhealthy;
    health.reason = reason;
    health.message = message;
  }
  health.findings = {{.rule = "rule",
                      .reason = std::move(reason),
                      .message = std::move(message),
                      .severity = severity,
                      .since = now}};
  return health;
}

}  // namespace drapci::plugin::health
