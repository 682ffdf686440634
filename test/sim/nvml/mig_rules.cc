#include "test/sim/nvml/mig_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace drapci::sim::nvml {
namespace {

using hal::nvml::Placement;

// nv-caps.c: gi0 to gi14, ci0 to ci7; 0 is what a whole GPU would have.
constexpr uint32_t kFirstGpuInstance = 1, kGpuInstances = 15, kComputeInstances = 8;

template <class Instance>
bool Free(const std::vector<Instance>& instances, uint32_t start, uint32_t size) {
  return std::ranges::none_of(instances, [&](const Instance& other) {
    return start < other.start + other.size && other.start < start + size;
  });
}

template <class Instance>
bool HasId(const std::vector<Instance>& instances, uint32_t id) {
  return std::ranges::find(instances, id, &Instance::id) != instances.end();
}

// The next id that nobody has, going round: who makes the same thing again gets another id. (The
// real driver derives ids from places; nobody is promised so.)
template <class Instance>
uint32_t NextId(const std::vector<Instance>& instances, uint32_t& next, uint32_t first,
                uint32_t end) {
  if (next < first || next >= end) next = first;
  while (HasId(instances, next)) next = next + 1 < end ? next + 1 : first;
  const uint32_t id = next;
  next = next + 1 < end ? next + 1 : first;
  return id;
}

// How many are left of what all instances share and of the profile's own stock.
uint32_t Stock(const Gpu& gpu, const Profile& profile) {
  uint32_t slices = 0, media = 0, same = 0;
  for (const GpuInstance& instance : gpu.instances) {
    const Profile* other = FindProfile(gpu, instance.profile);
    if (!other) continue;
    slices += other->slices;
    media += other->media;
    same += other->id == profile.id ? 1 : 0;
  }
  const auto left = [](uint32_t all, uint32_t used) { return all > used ? all - used : 0; };
  uint32_t stock = left(profile.max, same);
  if (profile.slices) stock = std::min(stock, left(gpu.compute_slices, slices) / profile.slices);
  if (profile.media) stock = std::min(stock, left(gpu.media_units, media) / profile.media);
  return stock;
}

// Whether a process runs in it; processes of no instance are on the whole GPU.
bool Used(const Gpu& gpu, uint32_t gpu_instance, std::optional<uint32_t> compute) {
  return std::ranges::any_of(gpu.processes, [&](const Process& process) {
    return process.gpu_instance == gpu_instance &&
           (!compute || process.compute_instance == *compute);
  });
}

std::string MigUuid(const State& state, const Gpu& gpu) {
  const uint64_t hash = std::hash<std::string>{}(gpu.uuid + std::to_string(state.made));
  return fmt::format("MIG-{:08x}-{:04x}-5000-8000-{:012x}", hash >> 32, hash >> 16 & 0xffff,
                     state.made);
}

// The lowest index of a MIG device handle that is free: what is destroyed leaves a hole.
uint32_t FreeHandleIndex(const Gpu& gpu) {
  for (uint32_t index = 0;; ++index) {
    bool taken = false;
    for (const GpuInstance& instance : gpu.instances) {
      taken |= std::ranges::find(instance.compute, index, &ComputeInstance::index) !=
               instance.compute.end();
    }
    if (!taken) return index;
  }
}

}  // namespace

const Profile* FindProfile(const Gpu& gpu, uint32_t id) {
  auto found = std::ranges::find(gpu.profiles, id, &Profile::id);
  return found == gpu.profiles.end() ? nullptr : &*found;
}

uint32_t RemainingCapacity(const Gpu& gpu, const Profile& profile) {
  uint32_t fits = 0, behind = 0;  // places of one size: the leftmost first is best
  for (uint32_t start : profile.starts) {
    if (start < behind || !Free(gpu.instances, start, profile.size)) continue;
    ++fits;
    behind = start + profile.size;
  }
  return std::min(fits, Stock(gpu, profile));
}

Return CreateGpuInstance(State& state, Gpu& gpu, uint32_t profile_id,
                         std::optional<Placement> place, uint32_t& id) {
  if (!gpu.mig) return hal::nvml::kNotSupported;
  const Profile* profile = FindProfile(gpu, profile_id);
  if (!profile) return hal::nvml::kInvalidArgument;
  if (place && (place->size != profile->size ||
                std::ranges::find(profile->starts, place->start) == profile->starts.end())) {
    return hal::nvml::kInvalidArgument;
  }
  if (Stock(gpu, *profile) == 0) return hal::nvml::kInsufficientResources;
  for (uint32_t start : profile->starts) {
    if (place && start != place->start) continue;
    if (!Free(gpu.instances, start, profile->size)) continue;
    id = NextId(gpu.instances, gpu.next_instance, kFirstGpuInstance, kGpuInstances);
    gpu.instances.push_back({.id = id,
                             .profile = profile_id,
                             .start = start,
                             .size = profile->size,
                             .made = ++state.made});
    return hal::nvml::kSuccess;
  }
  return hal::nvml::kInsufficientResources;
}

Return DestroyGpuInstance(Gpu& gpu, uint32_t id) {
  auto found = std::ranges::find(gpu.instances, id, &GpuInstance::id);
  if (found == gpu.instances.end()) return hal::nvml::kInvalidArgument;
  if (!found->compute.empty() || Used(gpu, id, {})) return hal::nvml::kInUse;
  gpu.instances.erase(found);
  return hal::nvml::kSuccess;
}

Return SetMigMode(Gpu& gpu, uint32_t mode, Return& activation) {
  if (!gpu.mig_capable) return hal::nvml::kNotSupported;
  if (mode > 1) return hal::nvml::kInvalidArgument;
  const bool wanted = mode == 1;
  if (!wanted && !gpu.instances.empty()) return hal::nvml::kInUse;  // [?] or as activation status
  activation = hal::nvml::kSuccess;
  gpu.mig_pending = wanted;
  if (gpu.mig == wanted) return hal::nvml::kSuccess;
  if (!gpu.processes.empty() || !gpu.clients.empty()) {
    activation = hal::nvml::kInUse;
  } else if (gpu.mig_needs_reset) {
    activation = hal::nvml::kResetRequired;
  } else {
    gpu.mig = wanted;
  }
  return hal::nvml::kSuccess;
}

std::vector<ComputeProfile> ComputeProfiles(uint32_t slices) {
  // NVML's index is the id that the driver gives it as well.
  constexpr std::array<uint32_t, 5> kSlices = {1, 2, 3, 4, 7};
  std::vector<ComputeProfile> profiles;
  for (uint32_t index = 0; index < kSlices.size(); ++index) {
    const uint32_t size = kSlices[index];
    // Threes and fours are offered by the whole GPU, or as the whole of their GPU instance.
    if (size > slices || (size != slices && size > 2 && slices != 7)) continue;
    ComputeProfile profile{.index = index, .id = index, .slices = size, .max = slices / size};
    const uint32_t step = size == 3 ? 4 : size;  // [?] as with GPU instances
    for (uint32_t i = 0; i < profile.max; ++i) profile.starts.push_back(i * step);
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

Return CreateComputeInstance(State& state, Gpu& gpu, GpuInstance& instance, uint32_t profile_id,
                             std::optional<Placement> place, uint32_t& id) {
  const Profile* owner = FindProfile(gpu, instance.profile);
  if (!owner) return hal::nvml::kUnknown;
  const auto profiles = ComputeProfiles(owner->slices);
  const auto profile = std::ranges::find(profiles, profile_id, &ComputeProfile::id);
  if (profile == profiles.end()) return hal::nvml::kInvalidArgument;
  if (place && (place->size != profile->slices ||
                std::ranges::find(profile->starts, place->start) == profile->starts.end())) {
    return hal::nvml::kInvalidArgument;
  }
  for (uint32_t start : profile->starts) {
    if (place && start != place->start) continue;
    if (!Free(instance.compute, start, profile->slices)) continue;
    id = NextId(instance.compute, instance.next_compute, 0, kComputeInstances);
    ++state.made;
    instance.compute.push_back({.id = id,
                                .profile = profile_id,
                                .start = start,
                                .size = profile->slices,
                                .uuid = MigUuid(state, gpu),
                                .index = FreeHandleIndex(gpu)});
    return hal::nvml::kSuccess;
  }
  return hal::nvml::kInsufficientResources;
}

Return DestroyComputeInstance(const Gpu& gpu, GpuInstance& instance, uint32_t id) {
  auto found = std::ranges::find(instance.compute, id, &ComputeInstance::id);
  if (found == instance.compute.end()) return hal::nvml::kInvalidArgument;
  if (Used(gpu, instance.id, id)) return hal::nvml::kInUse;
  instance.compute.erase(found);
  return hal::nvml::kSuccess;
}

}  // namespace drapci::sim::nvml
