// The capacity of device memory as its cgroup controller shows it (kernel/cgroup/dmem.c
// dmemcg_capacity_show): one line for each region that a driver has registered.
#pragma once

#include <cstdint>
#include <string>

#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {

// Registers the region "drm/<address>/<name>" of a function (drmm_cgroup_register_region); the
// first one makes /sys/fs/cgroup/dmem.capacity.
void RegisterDmem(Kernel::Impl& kernel, Function& function, const std::string& name, uint64_t size);
// The driver goes, and all regions of the function with it.
void UnregisterDmem(Function& function);

}  // namespace drapci::sim
