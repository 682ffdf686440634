// Other programs that hand out the machine's cards, recognised by the traces they leave.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/sysfs.h"
#include "hal/pci/function.h"

namespace drapci::hal {

// For each function that another manager looks after, who and by which trace, as a short sentence:
//   - sriov-network-operator keeps what it has applied to a PF in /etc/sriov-operator/pci/<BDF>
//   - a driver of devices writes a CDI specification for each claim into `cdi_dir`, with the UUID
//     of the claim in its file's name; one that names a device node of the function has given it
//     away. `is_ours` tells which of the files are our own.
// What cannot be read leaves no trace. Blocks for as long as the files take to read.
std::map<PciAddress, std::string> OtherManagers(
    const Sysfs& sysfs, const std::vector<PciFunction>& functions, std::string_view cdi_dir,
    const std::function<bool(std::string_view file)>& is_ours);

}  // namespace drapci::hal
