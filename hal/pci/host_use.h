// What the machine itself needs and drapci therefore never touches.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hal/os/host.h"
#include "hal/pci/function.h"

namespace drapci::hal {

// For each function that the host is using, the reason as a short sentence: it carries the default route
// (rtnetlink, also through bonds, bridges and VLANs above it), it has a mounted file system or swap on it
// (/proc/self/mountinfo, /proc/swaps, through dm and md), it is the boot VGA (boot_vga), it is a bridge.
// A PF whose VF is in use is itself in use.
Result<std::map<PciAddress, std::string>> FunctionsInHostUse(Host& host,
                                                             const std::vector<PciFunction>& functions);

}  // namespace drapci::hal
