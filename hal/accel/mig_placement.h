// Where the partitions of an NVIDIA GPU (MIG) go, what they are called and what they take, decided
// from the profiles and placements that the library tells. Pure.
//
// A scheduler takes devices in order: the first one that fits. So the order of
// parts is what keeps a GPU from being cut up: first the profiles that take least, and of one
// profile the places first that stand in the way of the fewest others.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hal/nvml/nvml.h"

namespace drapci::hal {

// One placement of one profile.
struct MigSlot {
  std::string part;  // "1g-10gb-3": label of the profile and first memory slice
  uint32_t profile_id = 0;
  std::string label, profile;  // "1g-10gb", "1g.10gb"
  MigPlacement place;
  uint32_t compute_slices = 0, multiprocessors = 0;
  int64_t memory_bytes = 0;
  std::map<std::string, int64_t> consumes;
  bool operator==(const MigSlot&) const = default;
};

struct MigLayout {
  uint32_t memory_slices = 0;
  std::map<std::string, int64_t> stock;  // counters: each memory slice, and what is counted
  std::vector<MigSlot> slots;            // in packing order
  bool operator==(const MigLayout&) const = default;
};

inline constexpr std::string_view kComputeSlices = "compute_slices";

// "memory-slice-3"
std::string MemorySliceCounter(uint32_t slice);

// Profiles that can never be made (without places, instances or compute slices) are left out, and
// places that no GPU can have.
MigLayout LayOutMig(const std::vector<GpuInstanceProfile>& profiles);

// The slot called `part`; null when there is none.
const MigSlot* FindSlot(const MigLayout& layout, std::string_view part);
// The slot that an instance of `profile_id` at `place` fills; null when there is none.
const MigSlot* FindSlot(const MigLayout& layout, uint32_t profile_id, const MigPlacement& place);

bool Overlap(const MigPlacement& a, const MigPlacement& b);

}  // namespace drapci::hal
