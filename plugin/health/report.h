// The condition of every device that is published, as the kubelet wants to hear it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "driver/health/health.h"
#include "driver/inventory.h"
#include "hal/os/clock.h"

namespace drapci::plugin::health {

struct DeviceHealth {
  std::string pool, device;
  driver::HealthState state = driver::HealthState::kUnknown;
  std::string message;  // printable ASCII, at most 1024 bytes; empty when all is well
  std::chrono::seconds timeout{30};
  int64_t measured = 0;  // seconds since 1970; 0: never

  // The same news, whenever measured.
  bool Says(const DeviceHealth& other) const {
    return pool == other.pool && device == other.device && state == other.state &&
           message == other.message && timeout == other.timeout;
  }
};

struct HealthReport {
  std::vector<DeviceHealth> devices;
  // When the first of the values that are current now will have been measured too long ago.
  std::optional<hal::WallTime> lapses;

  bool Says(const HealthReport& other) const;
  // After which time all of it has to be told again, before the first entry's time-out.
  std::chrono::milliseconds Period() const;
};

// All that is published and all that is held, also of a card that is gone; parts have their card's
// condition. `newest` (Manager::CurrentHealth) beats what the snapshot says. What was not measured
// within its time is unknown, however it was then.
HealthReport MakeHealthReport(const driver::Snapshot& snapshot,
                              const std::map<std::string, driver::Health>& newest,
                              const std::string& node_name, hal::WallTime now);

}  // namespace drapci::plugin::health
