// One PCI function: everything that a scan learns about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hal/os/sysfs.h"
#include "hal/pci/address.h"
#include "hal/pci/config_space.h"

namespace drapci::hal {

// /sys/bus/pci/devices/<BDF>, Documentation/ABI/testing/sysfs-bus-pci.
struct PciFunction {
  PciAddress address;
  uint16_t vendor = 0, device = 0, subsystem_vendor = 0, subsystem_device = 0;
  uint32_t class_code = 0;  // base, sub, prog-if: 0x020000
  uint8_t revision = 0;
  std::string vendor_name, device_name, class_name;  // pci.ids; empty when unknown
  std::string driver;                                // empty: unbound
  int numa_node = -1;
  std::optional<int> iommu_group;
  std::string pcie_root;               // "pci0000:00"
  std::optional<PciAddress> physfn;    // set on a VF
  std::optional<int> sriov_total;      // set on a function with SR-IOV, from sriov_totalvfs
  std::optional<PcieCapability> pcie;  // link and FLR; absent on conventional PCI
  bool has_drm = false;                // its driver has made devices of DRM or accel
  bool has_aer = false;
  std::optional<uint64_t> serial_number;

  bool IsBridge() const { return class_code >> 16 == 0x06; }
};

// What tells one card from another in the same slot: "8086:10c9 8086:a03c", and its serial number
// where it can be read. The driver that is bound and the place do not count.
std::string CardIdentity(const PciFunction& function);
// Whether both texts speak of the same card, as far as both tell; an empty one tells nothing.
bool SameIdentity(std::string_view one, std::string_view other);

// Fills in what sysfs alone tells: driver, NUMA node, IOMMU group, root, physfn, sriov_total,
// has_drm. kGone when the function vanished meanwhile. Reads no attribute that takes the device
// lock (sriov_numvfs does).
Result<> ReadSysfsFacts(const Sysfs& sysfs, PciFunction& function);

}  // namespace drapci::hal
