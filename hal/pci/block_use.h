// Which PCI functions a block device lies on.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// The functions below the block device at the resolved path `device`
// ("/sys/devices/.../block/sda/sda1"), through the slaves of dm, md and bcache, and through NVMe
// multipath, whose block device hangs below /sys/devices/virtual/nvme-subsystem and not below any
// controller. Empty for a device without hardware.
std::set<PciAddress> FunctionsOfBlockDevice(const Sysfs& sysfs, std::string_view device);

}  // namespace drapci::hal
