// NVIDIA's GPUs of the boards, for programs that run in the simulated machine: the stand-in for
// NVIDIA's library (../nvml) with its state in /run, /proc/driver as the driver shows it, and
// nodes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Sets all of it up, in namespaces of our own and before there are threads that mount anything, and
// follows the kernel. Returns the environment by which programs find the library; none, and nothing
// done, where no board has such a GPU.
Result<std::vector<std::pair<std::string, std::string>>> ServeGpus(Kernel& kernel);

}  // namespace drapci::sim
