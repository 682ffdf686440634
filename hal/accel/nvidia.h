// A GPU of NVIDIA: the whole, or, where the GPU and its driver can cut it up (MIG), a partition at
// each place that the library tells.
//
// The whole needs the MIG mode off, partitions need it on; the mode that a GPU is found in is
// nobody's and comes back with the last claim. What the operator gives in shares is the whole GPU,
// which its processes take turns on (time slices, or MPS where the operator runs it): the shares of
// memory are counted and nobody is held to them.
//
// Without the library, or for a GPU that it does not know, there is only the whole, as any other
// PCI function.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

// A display controller of NVIDIA that its own driver, one for user space or none has.
bool IsNvidiaGpu(const PciFunction& function);

std::unique_ptr<Accelerator> MakeNvidiaAccelerator(Host& host, PciFunction function,
                                                   AcceleratorPolicy policy,
                                                   std::string in_host_use);

}  // namespace drapci::hal
