// A GPU of AMD: the whole, or, where the card and its driver amdgpu can divide it, one of its
// compute partitions (Documentation/gpu/amdgpu, amdgpu_xcp.c).
//
// A card is in one mode at a time, and each mode has partitions of its own size. All partitions of
// all modes that go with the division of the memory are parts ("dpx0", "cpx7"); counters keep those
// of different modes apart, so that the scheduler never gives away two modes at once. The mode that
// a card is found in is nobody's: the first claim may change it, and it comes back with the last.
// How the memory is divided is shown and never changed: that needs the driver to be loaded again.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

// A display controller or processing accelerator of AMD, whatever driver it has at the moment.
bool IsAmdGpuFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeAmdGpuAccelerator(Host& host, PciFunction function,
                                                   AcceleratorPolicy policy,
                                                   std::string in_host_use);

}  // namespace drapci::hal
