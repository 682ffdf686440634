// The exported functions about MIG: the mode, GPU instances and MIG devices.
#include <fmt/format.h>

#include <algorithm>

#include "test/sim/nvml/calls.h"

namespace drapci::sim::nvml {
namespace {

namespace abi = hal::nvml;

GpuInstanceHandle HandleOf(const Gpu& gpu, const GpuInstance& instance) {
  return static_cast<GpuInstanceHandle>(
      nvml::HandleOf({.gpu = gpu.address, .made = instance.made}));
}

// Fills what all versions of the struct have in common.
template <class Info>
void Describe(const Profile& profile, Info& info) {
  info.id = profile.id;
  info.slices = profile.slices;
  info.instances = profile.max;
  info.multiprocessors = profile.multiprocessors;
  info.copy_engines = profile.copy_engines;
  info.decoders = profile.decoders;
  info.encoders = profile.encoders;
  info.jpegs = profile.jpegs;
  info.ofas = profile.ofas;
  info.memory_mib = static_cast<uint64_t>(profile.memory_mib);
}

using OnProfile = std::function<Return(State&, const Profile&)>;

Return WithProfile(const char* name, Device device, uint32_t index, const OnProfile& work) {
  if (index >= abi::kGpuProfiles) return abi::kInvalidArgument;
  return OnDevice({name}, device, [&](State& state, Gpu& gpu) {
    auto found = std::ranges::find(gpu.profiles, index, &Profile::index);
    if (found == gpu.profiles.end() || (state.profiles_need_mig && !gpu.mig)) {
      return Return{abi::kNotSupported};
    }
    return work(state, *found);
  });
}

template <class Info>
Return DescribeVersion(const Profile& profile, void* out) {
  auto& info = *static_cast<Info*>(out);
  const uint32_t version = info.version;
  info = {};
  info.version = version;
  Describe(profile, info);
  ("MIG " + profile.name).copy(info.name, sizeof(info.name) - 1);
  return abi::kSuccess;
}

Return Create(const Call& call, Device device, uint32_t profile_id,
              std::optional<abi::Placement> place, GpuInstanceHandle* out) {
  if (!out) return abi::kInvalidArgument;
  return OnDevice(call, device, [&](State& state, Gpu& gpu) {
    uint32_t id = 0;
    const Return returned = CreateGpuInstance(state, gpu, profile_id, place, id);
    if (returned == abi::kSuccess) *out = HandleOf(gpu, gpu.instances.back());
    return returned;
  });
}

using OnCompute = std::function<void(const GpuInstance&, const ComputeInstance&)>;

Return OfMigDevice(const char* name, Device device, const void* out, const OnCompute& work) {
  if (!out || !IsMigDevice(device)) return abi::kInvalidArgument;
  return OnMigDevice({name}, device,
                     [&](State&, Gpu&, GpuInstance& instance, ComputeInstance& compute) {
                       work(instance, compute);
                       return Return{abi::kSuccess};
                     });
}

}  // namespace

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMigMode(Device device, uint32_t* current,
                                                   uint32_t* pending) {
  if (!current || !pending) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetMigMode"}, device, [&](State&, Gpu& gpu) {
    if (!gpu.mig_capable) return Return{abi::kNotSupported};
    *current = gpu.mig;
    *pending = gpu.mig_pending;
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceSetMigMode(Device device, uint32_t mode,
                                                   Return* activation) {
  if (!activation) return abi::kInvalidArgument;
  const Call call{"nvmlDeviceSetMigMode", std::to_string(mode)};
  return OnDevice(call, device, [&](State&, Gpu& gpu) {
    if (const auto forced = ForcedActivation()) {
      *activation = *forced;
      gpu.mig_pending = mode == 1;
      return Return{abi::kSuccess};
    }
    return SetMigMode(gpu, mode, *activation);
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstanceProfileInfo(
    Device device, uint32_t index, abi::GpuInstanceProfileInfo* info) {
  if (!info) return abi::kInvalidArgument;
  return WithProfile("nvmlDeviceGetGpuInstanceProfileInfo", device, index,
                     [&](State&, const Profile& profile) {
                       *info = {};
                       Describe(profile, *info);
                       return Return{abi::kSuccess};
                     });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstanceProfileInfoV(Device device, uint32_t index,
                                                                   void* info) {
  if (!info) return abi::kInvalidArgument;
  const uint32_t version = *static_cast<uint32_t*>(info);
  const auto describe = [&](State& state, const Profile& profile) -> Return {
    using V2 = abi::GpuInstanceProfileInfoV2;
    using V3 = abi::GpuInstanceProfileInfoV3;
    if (version == abi::VersionWord<V2>(2)) return DescribeVersion<V2>(profile, info);
    if (version == abi::VersionWord<V3>(3) && state.newest_struct >= 3) {
      return DescribeVersion<V3>(profile, info);
    }
    return abi::kArgumentVersionMismatch;
  };
  return WithProfile("nvmlDeviceGetGpuInstanceProfileInfoV", device, index, describe);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstancePossiblePlacements_v2(Device device,
                                                                            uint32_t profile_id,
                                                                            abi::Placement* places,
                                                                            uint32_t* count) {
  if (!count) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetGpuInstancePossiblePlacements_v2"}, device,
                  [&](State& state, Gpu& gpu) {
                    const Profile* profile = FindProfile(gpu, profile_id);
                    if (!profile || (state.profiles_need_mig && !gpu.mig)) {
                      return Return{abi::kNotSupported};
                    }
                    const uint32_t room = *count;
                    *count = static_cast<uint32_t>(profile->starts.size());
                    if (!places) return Return{abi::kSuccess};
                    if (room < *count) return Return{abi::kInsufficientSize};
                    for (uint32_t start : profile->starts) {
                      *places++ = {.start = start, .size = profile->size};
                    }
                    return Return{abi::kSuccess};
                  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstanceRemainingCapacity(Device device,
                                                                        uint32_t profile_id,
                                                                        uint32_t* count) {
  if (!count) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetGpuInstanceRemainingCapacity"}, device, [&](State&, Gpu& gpu) {
    const Profile* profile = FindProfile(gpu, profile_id);
    if (!profile || !gpu.mig) return Return{abi::kNotSupported};
    *count = RemainingCapacity(gpu, *profile);
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceCreateGpuInstance(Device device, uint32_t profile_id,
                                                          GpuInstanceHandle* instance) {
  return Create({"nvmlDeviceCreateGpuInstance", std::to_string(profile_id)}, device, profile_id, {},
                instance);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceCreateGpuInstanceWithPlacement(
    Device device, uint32_t profile_id, const abi::Placement* place, GpuInstanceHandle* instance) {
  if (!place) return abi::kInvalidArgument;
  return Create({"nvmlDeviceCreateGpuInstanceWithPlacement",
                 fmt::format("{} {}:{}", profile_id, place->start, place->size)},
                device, profile_id, *place, instance);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceDestroy(GpuInstanceHandle handle) {
  return OnInstance(
      {"nvmlGpuInstanceDestroy", "()"}, handle,
      [](State&, Gpu& gpu, GpuInstance& instance) { return DestroyGpuInstance(gpu, instance.id); });
}

// The array must hold as many as the profile can ever have.
DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstances(Device device, uint32_t profile_id,
                                                        GpuInstanceHandle* handles,
                                                        uint32_t* count) {
  if (!handles || !count) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetGpuInstances"}, device, [&](State&, Gpu& gpu) {
    if (!gpu.mig) return Return{abi::kNotSupported};
    if (!FindProfile(gpu, profile_id)) return Return{abi::kInvalidArgument};
    *count = 0;
    for (const GpuInstance& instance : gpu.instances) {
      if (instance.profile == profile_id) handles[(*count)++] = HandleOf(gpu, instance);
    }
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstanceById(Device device, uint32_t id,
                                                           GpuInstanceHandle* handle) {
  if (!handle) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetGpuInstanceById"}, device, [&](State&, Gpu& gpu) {
    if (!gpu.mig) return Return{abi::kNotSupported};
    auto found = std::ranges::find(gpu.instances, id, &GpuInstance::id);
    if (found == gpu.instances.end()) return Return{abi::kNotFound};
    *handle = HandleOf(gpu, *found);
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlGpuInstanceGetInfo(GpuInstanceHandle handle,
                                                     abi::GpuInstanceInfo* info) {
  if (!info) return abi::kInvalidArgument;
  return OnInstance({"nvmlGpuInstanceGetInfo"}, handle,
                    [&](State&, Gpu& gpu, GpuInstance& instance) {
                      *info = {.device = static_cast<Device>(nvml::HandleOf({.gpu = gpu.address})),
                               .id = instance.id,
                               .profile_id = instance.profile,
                               .placement = {.start = instance.start, .size = instance.size}};
                      return Return{abi::kSuccess};
                    });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMaxMigDeviceCount(Device device, uint32_t* count) {
  if (!count) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetMaxMigDeviceCount"}, device, [&](State&, Gpu& gpu) {
    *count = gpu.mig ? gpu.compute_slices : 0;
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, uint32_t index,
                                                                  Device* mig) {
  if (!mig) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetMigDeviceHandleByIndex"}, device, [&](State&, Gpu& gpu) {
    if (!gpu.mig) return Return{abi::kNotSupported};
    if (index >= gpu.compute_slices) return Return{abi::kInvalidArgument};
    for (const GpuInstance& instance : gpu.instances) {
      for (const ComputeInstance& compute : instance.compute) {
        if (compute.index != index) continue;
        *mig = static_cast<Device>(nvml::HandleOf({.gpu = gpu.address, .uuid = compute.uuid}));
        return Return{abi::kSuccess};
      }
    }
    return Return{abi::kNotFound};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGpuInstanceId(Device device, uint32_t* id) {
  return OfMigDevice(
      "nvmlDeviceGetGpuInstanceId", device, id,
      [&](const GpuInstance& instance, const ComputeInstance&) { *id = instance.id; });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetComputeInstanceId(Device device, uint32_t* id) {
  return OfMigDevice("nvmlDeviceGetComputeInstanceId", device, id,
                     [&](const GpuInstance&, const ComputeInstance& compute) { *id = compute.id; });
}

}  // namespace drapci::sim::nvml
