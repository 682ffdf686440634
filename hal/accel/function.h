// The family "function": any PCI function, given away as a whole, by its kernel driver or VFIO.
//
// Counter "functions" = 1; one part, the whole.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

// Every function but bridges and VFs (those are parts of their PF).
bool IsEndpoint(const PciFunction& function);

std::unique_ptr<Accelerator> MakeFunctionAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use);

}  // namespace drapci::hal
