// The exported functions about compute instances.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "test/sim/nvml/calls.h"

namespace drapci::sim::nvml {
namespace {

namespace abi = hal::nvml;

ComputeInstanceHandle HandleOf(const Gpu& gpu, const GpuInstance& owner,
                               const ComputeInstance& instance) {
  return static_cast<ComputeInstanceHandle>(
      nvml::HandleOf({.gpu = gpu.address, .made = owner.made, .uuid = instance.uuid}));
}

template <class Info>
void Describe(const ComputeProfile& profile, const Profile& owner, Info& info) {
  info.id = profile.id;
  info.slices = profile.slices;
  info.instances = profile.max;
  info.multiprocessors = owner.multiprocessors * profile.slices / owner.slices;
  info.copy_engines = owner.copy_engines;
  info.decoders = owner.decoders;
  info.encoders = owner.encoders;
  info.jpegs = owner.jpegs;
  info.ofas = owner.ofas;
}

// "1c.3g.40gb"; "3g.40gb" when it takes all.
std::string NameOf(const ComputeProfile& profile, const Profile& owner) {
  return profile.slices == owner.slices ? owner.name
                                        : fmt::format("{}c.{}", profile.slices, owner.name);
}

template <class Info>
Return DescribeVersion(const ComputeProfile& profile, const Profile& owner, void* out) {
  auto& info = *static_cast<Info*>(out);
  const uint32_t version = info.version;
  info = {};
  info.version = version;
  Describe(profile, owner, info);
  ("MIG " + NameOf(profile, owner)).copy(info.name, sizeof(info.name) - 1);
  return abi::kSuccess;
}

using OnProfile = std::function<Return(State&, const ComputeProfile&, const Profile& owner)>;

Return WithProfile(const char* name, GpuInstanceHandle handle, uint32_t index, uint32_t engines,
                   const OnProfile& work) {
  if (index >= abi::kComputeProfiles || engines != 0) return abi::kInvalidArgument;
  return OnInstance({name}, handle, [&](State& state, Gpu& gpu, GpuInstance& instance) {
    const Profile* owner = FindProfile(gpu, instance.profile);
    if (!owner) return Return{abi::kUnknown};
    const auto profiles = ComputeProfiles(owner->slices);
    auto found = std::ranges::find(profiles, index, &ComputeProfile::index);
    return found == profiles.end() ? Return{abi::kNotSupported} : work(state, *found, *owner);
  });
}

Return Create(const Call& call, GpuInstanceHandle handle, uint32_t profile_id,
              std::optional<abi::Placement> place, ComputeInstanceHandle* out) {
  if (!out) return abi::kInvalidArgument;
  return OnInstance(call, handle, [&](State& state, Gpu& gpu, GpuInstance& instance) {
    uint32_t id = 0;
    const Return returned = CreateComputeInstance(state, gpu, instance, profile_id, place, id);
    if (returned == abi::kSuccess) *out = HandleOf(gpu, instance, instance.compute.back());
    return returned;
  });
}

// The fields that the first version of the struct has.
template <class Info>
void Identify(const Gpu& gpu, const GpuInstance& owner, const ComputeInstance& instance,
              Info& info) {
  info.device = static_cast<Device>(nvml::HandleOf({.gpu = gpu.address}));
  info.gpu_instance =
      static_cast<GpuInstanceHandle>(nvml::HandleOf({.gpu = gpu.address, .made = owner.made}));
  info.id = instance.id;
  info.profile_id = instance.profile;
}

}  // namespace

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceGetComputeInstanceProfileInfo(
    GpuInstanceHandle handle, uint32_t index, uint32_t engines,
    abi::ComputeInstanceProfileInfo* info) {
  if (!info) return abi::kInvalidArgument;
  return WithProfile("nvmlGpuInstanceGetComputeInstanceProfileInfo", handle, index, engines,
                     [&](State&, const ComputeProfile& profile, const Profile& owner) {
                       Describe(profile, owner, *info);
                       return Return{abi::kSuccess};
                     });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceGetComputeInstanceProfileInfoV(
    GpuInstanceHandle handle, uint32_t index, uint32_t engines, void* info) {
  if (!info) return abi::kInvalidArgument;
  const uint32_t version = *static_cast<uint32_t*>(info);
  const auto describe = [&](State& state, const ComputeProfile& profile,
                            const Profile& owner) -> Return {
    using V2 = abi::ComputeInstanceProfileInfoV2;
    using V3 = abi::ComputeInstanceProfileInfoV3;
    if (version == abi::VersionWord<V2>(2)) return DescribeVersion<V2>(profile, owner, info);
    if (version == abi::VersionWord<V3>(3) && state.newest_struct >= 3) {
      return DescribeVersion<V3>(profile, owner, info);
    }
    return abi::kArgumentVersionMismatch;
  };
  return WithProfile("nvmlGpuInstanceGetComputeInstanceProfileInfoV", handle, index, engines,
                     describe);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceCreateComputeInstance(
    GpuInstanceHandle handle, uint32_t profile_id, ComputeInstanceHandle* instance) {
  return Create({"nvmlGpuInstanceCreateComputeInstance", std::to_string(profile_id)}, handle,
                profile_id, {}, instance);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceCreateComputeInstanceWithPlacement(
    GpuInstanceHandle handle, uint32_t profile_id, const abi::Placement* place,
    ComputeInstanceHandle* instance) {
  if (!place) return abi::kInvalidArgument;
  return Create({"nvmlGpuInstanceCreateComputeInstanceWithPlacement",
                 fmt::format("{} {}:{}", profile_id, place->start, place->size)},
                handle, profile_id, *place, instance);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlComputeInstanceDestroy(ComputeInstanceHandle handle) {
  return OnInstance({"nvmlComputeInstanceDestroy", "()"}, handle,
                    [](State&, Gpu& gpu, GpuInstance& owner, ComputeInstance& instance) {
                      return DestroyComputeInstance(gpu, owner, instance.id);
                    });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceGetComputeInstances(GpuInstanceHandle handle,
                                                                 uint32_t profile_id,
                                                                 ComputeInstanceHandle* handles,
                                                                 uint32_t* count) {
  if (!handles || !count) return abi::kInvalidArgument;
  return OnInstance({"nvmlGpuInstanceGetComputeInstances"}, handle,
                    [&](State&, Gpu& gpu, GpuInstance& owner) {
                      *count = 0;
                      for (const ComputeInstance& instance : owner.compute) {
                        if (instance.profile != profile_id) continue;
                        handles[(*count)++] = HandleOf(gpu, owner, instance);
                      }
                      return Return{abi::kSuccess};
                    });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceGetComputeInstanceById(GpuInstanceHandle handle,
                                                                    uint32_t id,
                                                                    ComputeInstanceHandle* out) {
  if (!out) return abi::kInvalidArgument;
  return OnInstance({"nvmlGpuInstanceGetComputeInstanceById"}, handle,
                    [&](State&, Gpu& gpu, GpuInstance& owner) {
                      auto found = std::ranges::find(owner.compute, id, &ComputeInstance::id);
                      if (found == owner.compute.end()) return Return{abi::kNotFound};
                      *out = HandleOf(gpu, owner, *found);
                      return Return{abi::kSuccess};
                    });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlComputeInstanceGetInfo_v2(ComputeInstanceHandle handle,
                                                            abi::ComputeInstanceInfo* info) {
  if (!info) return abi::kInvalidArgument;
  return OnInstance({"nvmlComputeInstanceGetInfo_v2"}, handle,
                    [&](State&, Gpu& gpu, GpuInstance& owner, ComputeInstance& instance) {
                      Identify(gpu, owner, instance, *info);
                      info->placement = {.start = instance.start, .size = instance.size};
                      return Return{abi::kSuccess};
                    });
}

// The first version: its struct has no placement.
DRAPCI_SIM_NVML_EXPORT Return nvmlComputeInstanceGetInfo(ComputeInstanceHandle handle,
                                                         abi::ComputeInstanceInfo* info) {
  if (!info) return abi::kInvalidArgument;
  return OnInstance({"nvmlComputeInstanceGetInfo"}, handle,
                    [&](State&, Gpu& gpu, GpuInstance& owner, ComputeInstance& instance) {
                      Identify(gpu, owner, instance, *info);
                      return Return{abi::kSuccess};
                    });
}

}  // namespace drapci::sim::nvml
