#include "driver/inventory.h"

#include <fmt/format.h>

namespace drapci::driver {

std::string DeviceName(std::string_view accelerator, std::string_view part) {
  return part.empty() ? std::string(accelerator) : fmt::format("{}-{}", accelerator, part);
}

Snapshot::Found Snapshot::Find(std::string_view name) const {
  for (const AcceleratorView& accelerator : accelerators) {
    for (const Device& device : accelerator.devices) {
      if (device.name == name) return {.accelerator = &accelerator, .device = &device};
    }
  }
  return {};
}

}  // namespace drapci::driver
