// RDMA devices: which ones a function has, and whether containers can share them
// (Documentation/ABI/stable/sysfs-class-infiniband, include/uapi/rdma/rdma_netlink.h).
//
// Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/os/netlink.h"
#include "hal/os/sysfs.h"

namespace drapci::hal {

// Whose the RDMA devices are: seen in every network namespace, or in the one that each is moved to
// (`rdma system`).
enum class RdmaNamespaces { kShared, kExclusive };

// The mode of the RDMA subsystem; kUnsupported where there is none, or on kernels before 5.1, which
// share.
Result<RdmaNamespaces> ReadRdmaNamespaces(Netlink& netlink);

// The names of the RDMA devices of the device at `path` in /sys ("mlx5_2"), sorted; none where it
// has none.
Result<std::vector<std::string>> RdmaDevices(const Sysfs& sysfs, const std::string& path);

// RDMA_NLDEV_CMD_SYS_GET and its answer. Pure; fuzzed.
NetlinkMessage RdmaSystemRequest();
std::optional<RdmaNamespaces> ParseRdmaSystem(std::span<const std::byte> message);

}  // namespace drapci::hal
