// The family "sriov": a function with SR-IOV, given away as a whole or as virtual functions.
//
// Counter "vfs" = the VFs on offer. The whole takes all of them, each VF takes one, so that the two
// exclude each other. VFs are made by the shared setting sriov.vfs as the policy says.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

bool IsSriovFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeSriovAccelerator(Host& host, PciFunction function,
                                                  AcceleratorPolicy policy,
                                                  std::string in_host_use);

}  // namespace drapci::hal
