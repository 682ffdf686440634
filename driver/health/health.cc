#include "driver/health/health.h"

namespace drapci::driver {

const char* NameOf(HealthState state) {
  switch (state) {
    case HealthState::kUnknown: return "Unknown";
    case HealthState::kHealthy: return "Healthy";
    case HealthState::kUnhealthy: return "Unhealthy";
  }
  return "Unknown";
}

const char* NameOf(Severity severity) {
  switch (severity) {
    case Severity::kNote: return "note";
    case Severity::kNoSchedule: return "no-schedule";
    case Severity::kNoExecute: return "no-execute";
  }
  return "note";
}

}  // namespace drapci::driver
