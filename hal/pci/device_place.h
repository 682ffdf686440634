// Devices with a place of their own on a card: a PCI function, or a sub-function of one, which is
// no PCI function but a device of the auxiliary bus below it
// (Documentation/driver-api/auxiliary_bus.rst, Documentation/networking/devlink/devlink-port.rst).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// The number (sfnum) of "sf0"; that of "sf3" is 3 more. Numbers are the choice of who makes a
// sub-function: people begin at 0, 1 or 88 (the kernel's example), so that these are hardly theirs;
// with a fourth digit the names that udev makes of them ("enp3s0npf0sf503") would not fit into 15
// bytes.
inline constexpr uint32_t kFirstSfNumber = 500;
inline constexpr int kMostSfs = 500;

// "sf3"; its index, in one spelling, below kMostSfs.
std::string SfName(int index);
std::optional<int> ParseSfName(std::string_view name);

struct DevicePlace {
  PciAddress function;
  std::optional<int> sf;  // index of a sub-function; empty: the function itself

  DevicePlace() = default;
  // Implicit: every function is a place.
  DevicePlace(const PciAddress& address) : function(address) {}  // NOLINT(*-explicit-*)
  DevicePlace(const PciAddress& address, int index) : function(address), sf(index) {}

  // "0000:03:00.0", "0000:03:00.0/sf3". One spelling each. Pure.
  static std::optional<DevicePlace> Parse(std::string_view text);
  std::string ToString() const;
  bool operator==(const DevicePlace&) const = default;

  // Its directory below /sys/devices, whose last component is the name that the kernel has given it
  // ("0000:03:00.0", "mlx5_core.sf.4"). kGone when it is not there: a sub-function is while it is
  // active, a moment after it was made so.
  Result<std::string> Path(const Sysfs& sysfs) const;
};

}  // namespace drapci::hal
