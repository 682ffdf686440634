// The RDMA device of a function (InfiniBand, RoCE, iWARP) for a container.
#pragma once

#include <string>

#include "hal/accel/container_edits.h"
#include "hal/os/host.h"

namespace drapci::hal {

// To the edits of the device at `path` in /sys, which have its own nodes (uverbsN, umadN, issmN)
// already: the connection manager's node, and `variable` with the names of the RDMA devices. In the
// RDMA subsystem's exclusive mode a container cannot see the device, wherever its nodes are: they
// are taken out again, which is logged. Nothing for what has no RDMA device.
void AddRdma(Host& host, const std::string& path, const std::string& variable,
             ContainerEdits& edits);

}  // namespace drapci::hal
