// NVIDIA's GPUs of a simulated machine: the functions of its boards that say which GPU of boards.h
// they are (`model: {nvml: h100-80}`), as a state of the stand-in library.
#pragma once

#include <string>
#include <vector>

#include "test/sim/kernel/kernel.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {

// All of them as they come out of their boxes, numbered by PCI address; `capabilities` is the
// directory that is kept like /proc/driver.
Result<State> StateOf(const Kernel& kernel, std::string capabilities);

// The driver has taken or left a GPU: what it kept of it is gone.
Result<> NoticeBinding(const StateFile& file, const Uevent& event);

// The nodes that do not belong to one GPU.
std::vector<DeviceNode> CommonNodes();
// That of a capability: /dev/nvidia-caps/nvidia-cap<minor>.
DeviceNode CapabilityNode(uint32_t minor);

}  // namespace drapci::sim::nvml
