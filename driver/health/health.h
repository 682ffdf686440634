// What is known of a card's condition, for everybody who tells it further.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "hal/os/clock.h"

namespace drapci::driver {

enum class HealthState {
  kUnknown,    // nothing was measured in time
  kHealthy,    // measured, and no rule speaks against work on it
  kUnhealthy,  // a rule speaks against it
};

// What a rule's finding asks for.
enum class Severity {
  kNote,        // people should know; the card stays healthy
  kNoSchedule,  // no new work
  kNoExecute,   // what runs on it should leave
};

// A rule that holds now.
struct Finding {
  std::string rule;     // "aer-fatal", its name in the configuration
  std::string reason;   // one word in CamelCase, a reason code: "PcieFatalError"
  std::string message;  // one sentence under 200 characters that names the evidence
  Severity severity = Severity::kNote;
  hal::WallTime since;
  bool operator==(const Finding&) const = default;
};

struct Health {
  HealthState state = HealthState::kUnknown;
  std::string reason;   // of the gravest finding, "Healthy", or why it is unknown
  std::string message;  // likewise; under 200 characters
  hal::WallTime since;  // when it became so
  // When the oldest of the sources that the state stands on was last read, and for how long that
  // counts as current. Later than both together, the state is unknown.
  hal::WallTime measured;
  std::chrono::seconds valid_for{30};
  std::vector<Finding> findings;  // gravest first

  // The same verdict, whenever measured.
  bool Says(const Health& other) const {
    return state == other.state && reason == other.reason && message == other.message &&
           since == other.since && findings == other.findings;
  }
};

// "Healthy", "Unhealthy", "Unknown"; "note", "no-schedule", "no-execute".
const char* NameOf(HealthState state);
const char* NameOf(Severity severity);

}  // namespace drapci::driver
