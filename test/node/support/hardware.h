// What claims change about the PCI functions of this machine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hal/base/result.h"

namespace drapci::test {

// "0000:02:00.0 sriov_numvfs" -> "8", "0000:02:10.0 driver" -> "igbvf", ...: the number of VFs, the
// autoprobe switch, the driver and its override of each function that is there. On a simulated
// machine also names and MTUs of network interfaces, and what is set for VFs; a real one's udev
// changes names when it likes.
using HardwareImage = std::map<std::string, std::string>;
HardwareImage ReadHardware();

// One line for each difference; empty when there is none.
std::string Differences(const HardwareImage& expected, const HardwareImage& found);

// The functions with SR-IOV, by address; the first of them.
std::vector<std::string> PhysicalFunctions();
Result<std::string> FirstPhysicalFunction();
// "0000:02:00.0" -> "pci-0000-02-00-0"
std::string DeviceNameOf(std::string address);

}  // namespace drapci::test
