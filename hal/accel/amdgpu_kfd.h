// What the kernel's compute driver for AMD GPUs (amdkfd) tells of a card: its partitions, their
// device nodes, and the processes that use it.
//
// /sys/class/kfd/kfd/topology (drivers/gpu/drm/amd/amdkfd/kfd_topology.c) and
// /sys/class/kfd/kfd/proc (kfd_process.c). Nodes are numbered anew with every change of any card,
// so what is read counts only when generation_id is the same before and after.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/sysfs.h"
#include "hal/pci/address.h"
#include "hal/pci/node_users.h"

namespace drapci::hal {

inline constexpr char kKfdNode[] = "/dev/kfd";
inline constexpr std::string_view kAmdDriver = "amdgpu";

// One partition as the card is now; a card that is not partitioned has one.
struct AmdPartition {
  int index = 0;  // its place on the card
  int render_minor = -1;
  int xccs = 0;        // 0: this kernel does not tell
  int gfx_target = 0;  // 90402 is gfx942; 0: not told
  std::string gpu_id;  // by which KFD names it now
};

// By place. None when KFD does not drive the card; kNotFound when there is no KFD, kBusy when the
// topology changed again and again while it was read.
Result<std::vector<AmdPartition>> ReadAmdPartitions(const Sysfs& sysfs, const PciAddress& address);

// "/dev/dri/card2" and "/dev/dri/renderD129" of a partition of the card at `address`. kConflict
// when the node is that of something else: then the topology has changed since it was read.
Result<std::vector<std::string>> AmdPartitionNodes(const Sysfs& sysfs, const PciAddress& address,
                                                   const AmdPartition& partition);

// Everybody who uses the card at `address`, by pid: processes that compute on it, and those that
// have a node open, of the function itself or of a partition (which lie outside of the function's
// directory).
Result<std::vector<NodeUser>> AmdGpuUsers(const Sysfs& sysfs, const PciAddress& address);
// kBusy, naming the users, when there are any.
Result<> CheckAmdGpuUnused(const Sysfs& sysfs, const PciAddress& address);

}  // namespace drapci::hal
