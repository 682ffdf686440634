// The family "dfl": FPGA cards with Intel's device feature list, driven by dfl-pci
// (Documentation/fpga/dfl.rst): the card as a whole, or its slots, each with the design (image)
// that its claim asks for.
//
// Counter "slots": one for each port that the hardware has. Ports that have been handed to virtual
// functions are not offered.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

// Physical functions that dfl-pci drives.
bool IsDflFpga(const PciFunction& function);

std::unique_ptr<Accelerator> MakeDflFpgaAccelerator(Host& host, PciFunction function,
                                                    AcceleratorPolicy policy,
                                                    std::string in_host_use);

}  // namespace drapci::hal
