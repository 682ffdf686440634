// The kernel's control group controller of device memory (Linux 6.14, CONFIG_CGROUP_DMEM): which
// regions of memory it knows of a card, and holding a container to a share of them. drapci-hook
// writes the limits when the container has a control group.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "hal/accel/container_edits.h"
#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// What is said of shares that are held to this way: the attribute and its value.
inline constexpr std::string_view kEnforcedBy = "enforced_by", kDmem = "dmem";

// The regions of the memory of a card, "drm/0000:03:00.0/vram0", with their bytes: those that its
// kernel driver has registered. Empty without the controller, and while the driver is away.
std::map<std::string, int64_t> DmemRegions(const Sysfs& sysfs, const PciAddress& card);

// Has the container held to `bytes` of the card's memory; kUnsupported when the kernel knows no
// region of it. Several regions (tiles) are given in equal parts.
Result<> LimitMemory(const Sysfs& sysfs, const PciAddress& card, int64_t bytes,
                     ContainerEdits& edits);

}  // namespace drapci::hal
