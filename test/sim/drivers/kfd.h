// The topology of amdkfd: one numbered directory for each CPU and each GPU partition of the
// machine, numbered anew with every change (kfd_topology.c kfd_topology_update_sysfs).
#pragma once

#include <string>

#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {

inline constexpr char kKfdDir[] = "/sys/devices/virtual/kfd/kfd";

// /dev/kfd and its class device, when they are not there yet.
void MakeKfd(Kernel::Impl& kernel);
// Writes the nodes of all cards that amdgpu drives.
void WriteKfdTopology(Kernel::Impl& kernel);
// The order of a node that comes last, and an id that no node has yet.
uint64_t NextKfdOrder(Kernel::Impl& kernel);
unsigned FreeGpuId(Kernel::Impl& kernel, unsigned wanted);

}  // namespace drapci::sim
