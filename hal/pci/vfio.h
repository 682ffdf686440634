// IOMMU groups, and what a process needs to drive a function through VFIO.
//
// /sys/bus/pci/devices/<BDF>/iommu_group, /sys/kernel/iommu_groups/<N>/devices,
// .../vfio-dev/vfio<M> (Documentation/driver-api/vfio.rst).
#pragma once

#include <string>
#include <vector>

#include "hal/os/host.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// The other functions of the group that are not bridges.
Result<std::vector<PciAddress>> IommuPeers(const Sysfs& sysfs, const PciAddress& address);

// Refuses with kUnsupported when there is no IOMMU group, with kConflict when another function of
// the group is bound to any driver: the group's isolation is all or nothing.
Result<> CheckVfioGroup(const Sysfs& sysfs, const PciAddress& address);

// The node of the function's IOMMU group: "/dev/vfio/12".
Result<std::string> VfioGroupNode(const Sysfs& sysfs, const PciAddress& address);

// The nodes a container needs, waiting until they exist: /dev/vfio/devices/vfio<M> and /dev/iommu
// where the kernel has VFIO character devices and both nodes are there, else /dev/vfio/vfio and
// /dev/vfio/<group>.
Result<std::vector<std::string>> VfioNodes(Host& host, const PciAddress& address,
                                           MonotonicTime deadline);

}  // namespace drapci::hal
