// The address of a PCI function.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drapci::hal {

// DDDD:BB:DD.F, spelled as sysfs spells it. The domain can have more than four digits (VMD:
// "10000:e1:00.0").
struct PciAddress {
  uint32_t domain = 0;
  uint8_t bus = 0, device = 0, function = 0;

  // Lower or upper case; the domain may be left out ("02:00.0") as with lspci.
  static std::optional<PciAddress> Parse(std::string_view text);
  std::string ToString() const;
  // "/sys/bus/pci/devices/0000:02:00.0"
  std::string SysfsPath() const;
  auto operator<=>(const PciAddress&) const = default;
};

}  // namespace drapci::hal
