// GPUs with MIG as their makers describe them: profiles, ids and placements of NVIDIA's published
// tables. For tests only: a driver always asks the library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {

// "a30", "a100-40", "a100-80", "h100-80", "h200-141"
std::vector<std::string> Models();

// A GPU as it comes out of its box: MIG off. UUID and serial number follow from address and minor.
Result<Gpu> MakeGpu(std::string_view model, std::string_view address, uint32_t minor);

}  // namespace drapci::sim::nvml
