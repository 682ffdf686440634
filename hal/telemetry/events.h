// What uevents tell of a card's condition, at once and once only: the readings that no file gives
// later (README.md: kind "event", and the states that come by event).
#pragma once

#include <optional>
#include <vector>

#include "hal/os/device_events.h"
#include "hal/pci/address.h"
#include "hal/telemetry/reader.h"

namespace drapci::hal {

struct EventReading {
  PciAddress address;             // of the function that the event is about
  std::vector<Reading> readings;  // at least one
  bool operator==(const EventReading&) const = default;
};

// Nothing for an event that says nothing of a card's condition. Pure; fuzzed.
std::optional<EventReading> ReadEvent(const DeviceEvent& event);

}  // namespace drapci::hal
