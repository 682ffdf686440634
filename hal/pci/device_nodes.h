// The character and block devices that the kernel driver of a function or sub-function has made.
#pragma once

#include <string>
#include <vector>

#include "hal/os/sysfs.h"
#include "hal/pci/device_place.h"

namespace drapci::hal {

// "/dev/nvme0", "/dev/dri/renderD128", ...: every directory below the function's own that has a
// `dev` attribute, by the DEVNAME of its uevent file; other PCI functions below (bridges) are not
// entered. Sorted. A DEVNAME that could leave /dev is refused (kInvalid).
Result<std::vector<std::string>> DeviceNodes(const Sysfs& sysfs, const DevicePlace& place);

// The network interfaces of the function (net/ below it), sorted.
Result<std::vector<std::string>> NetworkInterfaces(const Sysfs& sysfs, const DevicePlace& place);

}  // namespace drapci::hal
