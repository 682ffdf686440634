#include "hal/telemetry/events.h"

#include <algorithm>
#include <array>
#include <utility>

#include "hal/pci/topology.h"
#include "hal/telemetry/function_files.h"

namespace drapci::hal {
namespace {

std::string_view Property(const DeviceEvent& event, std::string_view name) {
  const auto found = event.properties.find(name);
  return found != event.properties.end() ? std::string_view(found->second) : std::string_view();
}

// drivers/pci/pci-driver.c pci_uevent_ers
std::vector<Reading> ReadRecovery(const DeviceEvent& event) {
  constexpr std::array<std::pair<std::string_view, int>, 3> kStates = {
      {{"SUCCESSFUL_RECOVERY", 0}, {"BEGIN_RECOVERY", 1}, {"FAILED_RECOVERY", 2}}};
  const std::string_view state = Property(event, "ERROR_EVENT");
  const auto row = std::ranges::find(kStates, state, &decltype(kStates)::value_type::first);
  if (row == kStates.end()) return {};
  std::string text = OneLine(state);
  if (Property(event, "DEVICE_ONLINE") == "0") text += ", offline";
  return {{.signal = "aer_recovery", .value = static_cast<double>(row->second), .text = text}};
}

// drivers/gpu/drm/drm_drv.c drm_dev_wedged_event: the ways back, the gentlest first. The kernel may
// cut the text. A coldplugged "change" has no such property.
std::vector<Reading> ReadWedged(const DeviceEvent& event) {
  const std::string_view methods = Property(event, "WEDGED");
  if (methods.empty()) return {};
  const std::string text = OneLine(methods.substr(0, 64));
  if (text == "none") return {{.signal = "drm_reset", .value = 1}};
  return {{.signal = "drm_wedged", .value = 1, .text = text}};
}

// A driver that has been bound begins anew, with a device that it has just set up.
std::vector<Reading> ReadBound(const DeviceEvent& event) {
  return {{.signal = "driver_bound", .value = 1, .text = OneLine(Property(event, "DRIVER"))},
          {.signal = "aer_recovery", .value = 0},
          {.signal = "drm_wedged", .value = 0}};
}

}  // namespace

std::optional<EventReading> ReadEvent(const DeviceEvent& event) {
  std::vector<Reading> readings;
  if (event.action == "change" && event.subsystem == "pci") readings = ReadRecovery(event);
  if (event.action == "change" && event.subsystem == "drm") readings = ReadWedged(event);
  if (event.action == "bind" && event.subsystem == "pci") readings = ReadBound(event);
  if (readings.empty()) return std::nullopt;
  const auto address = FunctionOfPath(event.devpath);
  if (!address) return std::nullopt;
  return EventReading{.address = *address, .readings = std::move(readings)};
}

}  // namespace drapci::hal
