// The family "xe": Intel GPUs with SR-IOV, through their kernel drivers xe and i915.
//
// Parts are those of "sriov": the GPU as a whole, or its VFs, among which the driver divides memory
// and time by itself. With `shares: true` the GPU is one device, and a share of its memory is a VF
// with that much, and time in proportion; that needs the driver's attributes (xe of Linux 7.0).
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

// By vendor, class and capability: whatever driver it has got now.
bool IsXeFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeXeAccelerator(Host& host, PciFunction function,
                                               AcceleratorPolicy policy, std::string in_host_use);

}  // namespace drapci::hal
