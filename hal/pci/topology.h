// Where things hang: from places in /sys back to the PCI function that they belong to.
#pragma once

#include <optional>
#include <string_view>

#include "hal/pci/address.h"

namespace drapci::hal {

// The function that a resolved path below /sys/devices lies in: the last component that is an
// address.
std::optional<PciAddress> FunctionOfPath(std::string_view resolved);

}  // namespace drapci::hal
