// The journal's and systemd's view of the cards' condition.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "driver/inventory.h"
#include "hal/base/log.h"
#include "hal/os/clock.h"
#include "plugin/health/damper.h"

namespace drapci::plugin::health {

struct JournalField {
  std::string_view name;  // "DRAPCI_DEVICE"
  std::string value;
};

// A log line, with fields where standard error is the journal (`journalctl DRAPCI_DEVICE=...`).
void LogWithFields(LogLevel level, std::string_view text, const std::vector<JournalField>& fields);

// "serving: 40 cards, 2 unhealthy, 17 claims": what systemctl shows.
std::string StatusText(const driver::Snapshot& snapshot, size_t claims);

// Logs each turn of a card's condition: who flaps is logged as often as the damper permits.
class HealthLog {
 public:
  void Look(const driver::Snapshot& snapshot, hal::MonotonicTime time);

 private:
  Damper damper_;
  std::map<std::string, driver::Health> told_;
};

}  // namespace drapci::plugin::health
