// The kinds of instances that a GPU offers, asked for in the newest words that its library knows.
//
// An index counts what NVML has names for and is the same on all GPUs; the id that makes and lists
// instances is the GPU's own. Neither follows from the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hal/nvml/library.h"
#include "hal/nvml/nvml.h"

namespace drapci::hal::nvml {

// Without placements, in the order of indexes. An index that the GPU or the library lacks is
// left out. kUnsupported: the GPU has none, or tells it in MIG mode only.
Result<std::vector<GpuInstanceProfile>> ReadGpuInstanceProfiles(Session& session, Device device);

Result<std::vector<MigPlacement>> ReadPlacements(Session& session, Device device,
                                                 uint32_t profile_id);

Result<std::vector<ComputeInstanceProfile>> ReadComputeInstanceProfiles(
    Session& session, GpuInstanceHandle gpu_instance);

// The name of a profile where the library tells none: "1g.10gb+me". The memory in it is the share
// of the GPU's memory, in eighths, rounded up, of the GPU's memory in whole GiB. Pure.
std::string ProfileName(uint32_t index, uint32_t slices, int64_t memory_mib, int64_t gpu_bytes);

// A name as the library tells it, without the "MIG " that some drivers put in front.
std::string CleanName(std::string_view name);

}  // namespace drapci::hal::nvml
