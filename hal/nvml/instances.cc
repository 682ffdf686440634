// GPU instances, compute instances and what programs see of them.
#include <algorithm>
#include <tuple>

#include "hal/nvml/ask.h"
#include "hal/nvml/profiles.h"
#include "hal/nvml/system_nvml.h"

namespace drapci::hal {
namespace nvml {
namespace {

constexpr uint32_t kMaxMigDevices = 256;

MigPlacement PlacementOf(const Placement& place) {
  return {.start = place.start, .size = place.size};
}

Result<GpuInstance> AskInstance(Session& session, GpuInstanceHandle handle) {
  GpuInstanceInfo info{};
  DRAPCI_CHECK(
      session.Check(session.Call(&Functions::GpuInstanceGetInfo, handle, &info), "GPU instance"));
  return GpuInstance{
      .id = info.id, .profile_id = info.profile_id, .placement = PlacementOf(info.placement)};
}

Result<ComputeInstance> AskInstance(Session& session, ComputeInstanceHandle handle) {
  ComputeInstanceInfo info{};
  DRAPCI_CHECK(session.Check(session.Call(&Functions::ComputeInstanceGetInfo, handle, &info),
                             "compute instance"));
  return ComputeInstance{
      .id = info.id, .profile_id = info.profile_id, .placement = PlacementOf(info.placement)};
}

Result<GpuInstanceHandle> FindInstance(Session& session, Device device, uint32_t id) {
  GpuInstanceHandle handle = nullptr;
  DRAPCI_CHECK(
      session.Check(session.Call(&Functions::DeviceGetGpuInstanceById, device, id, &handle),
                    fmt::format("GPU instance {}", id)));
  return handle;
}

Result<ComputeInstanceHandle> FindInstance(Session& session, GpuInstanceHandle gpu_instance,
                                           uint32_t id) {
  ComputeInstanceHandle handle = nullptr;
  DRAPCI_CHECK(session.Check(
      session.Call(&Functions::GpuInstanceGetComputeInstanceById, gpu_instance, id, &handle),
      fmt::format("compute instance {}", id)));
  return handle;
}

// What lists of instances may answer for one that another process destroyed since it was counted.
bool Vanished(const Error& error) {
  return error.code == Code::kNotFound || error.code == Code::kInvalid;
}

// The instances of one profile of `owner` (a GPU or a GPU instance), `max` at most.
template <class Instance, class Handle, class Owner>
Result<> ListProfile(Session& session,
                     Return (*Functions::*list)(Owner, uint32_t, Handle*, uint32_t*), Owner owner,
                     uint32_t profile_id, uint32_t max, std::vector<Instance>& found) {
  std::vector<Handle> handles(std::max(max, 1U));
  uint32_t count = max;
  DRAPCI_CHECK(session.Check(session.Call(list, owner, profile_id, handles.data(), &count),
                             fmt::format("instances of profile {}", profile_id)));
  handles.resize(std::min<size_t>(count, handles.size()));
  for (Handle handle : handles) {
    auto instance = AskInstance(session, handle);
    if (!instance && Vanished(instance.error())) continue;
    if (!instance) return Fail(std::move(instance).error());
    found.push_back(*instance);
  }
  return {};
}

// The description of an instance just made, or nothing made.
template <class Instance, class Handle>
Result<Instance> DescribeOrDestroy(Session& session, Handle handle,
                                   Return (*Functions::*destroy)(Handle)) {
  auto instance = AskInstance(session, handle);
  if (!instance) session.Call(destroy, handle);
  return instance;
}

Result<MigDevice> AskMigDevice(Session& session, Device device) {
  MigDevice mig;
  DRAPCI_TRY(mig.uuid, AskText(session, &Functions::DeviceGetUuid, device, "UUID of a MIG device"));
  DRAPCI_TRY(mig.gpu_instance, AskNumber(session, &Functions::DeviceGetGpuInstanceId, device,
                                         "GPU instance of a MIG device"));
  DRAPCI_TRY(mig.compute_instance, AskNumber(session, &Functions::DeviceGetComputeInstanceId,
                                             device, "compute instance of a MIG device"));
  return mig;
}

}  // namespace

Result<std::vector<Device>> MigHandles(Session& session, Device device) {
  std::vector<Device> handles;
  DRAPCI_TRY(const bool on, IsMigOn(session, device));
  if (!on) return handles;
  DRAPCI_TRY(const uint32_t most, AskNumber(session, &Functions::DeviceGetMaxMigDeviceCount, device,
                                            "number of MIG devices"));
  for (uint32_t index = 0; index < std::min(most, kMaxMigDevices); ++index) {
    Device handle = nullptr;
    const Return code =
        session.Call(&Functions::DeviceGetMigDeviceHandleByIndex, device, index, &handle);
    if (code == kNotFound) continue;  // a hole
    DRAPCI_CHECK(session.Check(code, fmt::format("MIG device {}", index)));
    handles.push_back(handle);
  }
  return handles;
}

}  // namespace nvml

using namespace nvml;  // the library's words, for its caller

Result<std::vector<GpuInstanceProfile>> SystemNvml::GpuInstanceProfiles(const PciAddress& gpu) {
  using Profiles = std::vector<GpuInstanceProfile>;
  return RunOn(library_, gpu, [](Session& session, Device device) -> Result<Profiles> {
    DRAPCI_TRY(Profiles profiles, ReadGpuInstanceProfiles(session, device));
    for (GpuInstanceProfile& profile : profiles) {
      DRAPCI_TRY(profile.placements, ReadPlacements(session, device, profile.id));
    }
    return profiles;
  });
}

Result<uint32_t> SystemNvml::RemainingGpuInstances(const PciAddress& gpu, uint32_t profile_id) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<uint32_t> {
    uint32_t count = 0;
    DRAPCI_CHECK(session.Check(
        session.Call(&Functions::DeviceGetGpuInstanceRemainingCapacity, device, profile_id, &count),
        fmt::format("room for GPU instances of profile {}", profile_id)));
    return count;
  });
}

Result<std::vector<GpuInstance>> SystemNvml::GpuInstances(const PciAddress& gpu) {
  using Instances = std::vector<GpuInstance>;
  return RunOn(library_, gpu, [](Session& session, Device device) -> Result<Instances> {
    Instances instances;
    DRAPCI_TRY(const bool on, IsMigOn(session, device));
    if (!on) return instances;
    DRAPCI_TRY(const auto profiles, ReadGpuInstanceProfiles(session, device));
    for (const GpuInstanceProfile& profile : profiles) {
      DRAPCI_CHECK(ListProfile(session, &Functions::DeviceGetGpuInstances, device, profile.id,
                               profile.max_instances, instances));
    }
    std::ranges::sort(instances, {}, &GpuInstance::placement);
    return instances;
  });
}

Result<GpuInstance> SystemNvml::CreateGpuInstance(const PciAddress& gpu, uint32_t profile_id,
                                                  const MigPlacement& placement) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<GpuInstance> {
    const Placement place{.start = placement.start, .size = placement.size};
    GpuInstanceHandle handle = nullptr;
    DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceCreateGpuInstanceWithPlacement,
                                            device, profile_id, &place, &handle),
                               fmt::format("making a GPU instance of profile {} at {}:{}",
                                           profile_id, place.start, place.size)));
    return DescribeOrDestroy<GpuInstance>(session, handle, &Functions::GpuInstanceDestroy);
  });
}

Result<> SystemNvml::DestroyGpuInstance(const PciAddress& gpu, uint32_t id) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<> {
    DRAPCI_TRY(GpuInstanceHandle handle, FindInstance(session, device, id));
    return session.Check(session.Call(&Functions::GpuInstanceDestroy, handle),
                         fmt::format("destroying GPU instance {}", id));
  });
}

Result<std::vector<ComputeInstanceProfile>> SystemNvml::ComputeInstanceProfiles(
    const PciAddress& gpu, uint32_t gpu_instance) {
  using Profiles = std::vector<ComputeInstanceProfile>;
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<Profiles> {
    DRAPCI_TRY(GpuInstanceHandle handle, FindInstance(session, device, gpu_instance));
    return ReadComputeInstanceProfiles(session, handle);
  });
}

Result<std::vector<ComputeInstance>> SystemNvml::ComputeInstances(const PciAddress& gpu,
                                                                  uint32_t gpu_instance) {
  using Instances = std::vector<ComputeInstance>;
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<Instances> {
    DRAPCI_TRY(GpuInstanceHandle owner, FindInstance(session, device, gpu_instance));
    DRAPCI_TRY(const auto profiles, ReadComputeInstanceProfiles(session, owner));
    Instances instances;
    for (const ComputeInstanceProfile& profile : profiles) {
      DRAPCI_CHECK(ListProfile(session, &Functions::GpuInstanceGetComputeInstances, owner,
                               profile.id, profile.max_instances, instances));
    }
    std::ranges::sort(instances, [](const ComputeInstance& a, const ComputeInstance& b) {
      return std::tie(a.placement, a.id) < std::tie(b.placement, b.id);
    });
    return instances;
  });
}

Result<ComputeInstance> SystemNvml::CreateComputeInstance(
    const PciAddress& gpu, uint32_t gpu_instance, uint32_t profile_id,
    const std::optional<MigPlacement>& placement) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<ComputeInstance> {
    DRAPCI_TRY(GpuInstanceHandle owner, FindInstance(session, device, gpu_instance));
    ComputeInstanceHandle handle = nullptr;
    Return code = kSuccess;
    if (placement) {
      const Placement place{.start = placement->start, .size = placement->size};
      code = session.Call(&Functions::GpuInstanceCreateComputeInstanceWithPlacement, owner,
                          profile_id, &place, &handle);
    } else {
      code = session.Call(&Functions::GpuInstanceCreateComputeInstance, owner, profile_id, &handle);
    }
    DRAPCI_CHECK(session.Check(
        code, fmt::format("making a compute instance of profile {} in GPU instance {}", profile_id,
                          gpu_instance)));
    return DescribeOrDestroy<ComputeInstance>(session, handle, &Functions::ComputeInstanceDestroy);
  });
}

Result<> SystemNvml::DestroyComputeInstance(const PciAddress& gpu, uint32_t gpu_instance,
                                            uint32_t id) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<> {
    DRAPCI_TRY(GpuInstanceHandle owner, FindInstance(session, device, gpu_instance));
    DRAPCI_TRY(ComputeInstanceHandle handle, FindInstance(session, owner, id));
    return session.Check(
        session.Call(&Functions::ComputeInstanceDestroy, handle),
        fmt::format("destroying compute instance {} of GPU instance {}", id, gpu_instance));
  });
}

Result<std::vector<MigDevice>> SystemNvml::MigDevices(const PciAddress& gpu) {
  using Devices = std::vector<MigDevice>;
  return RunOn(library_, gpu, [](Session& session, Device device) -> Result<Devices> {
    Devices devices;
    DRAPCI_TRY(const auto handles, MigHandles(session, device));
    for (Device handle : handles) {
      auto mig = AskMigDevice(session, handle);
      if (!mig && Vanished(mig.error())) continue;
      if (!mig) return Fail(std::move(mig).error());
      devices.push_back(*std::move(mig));
    }
    std::ranges::sort(devices, [](const MigDevice& a, const MigDevice& b) {
      return std::tie(a.gpu_instance, a.compute_instance) <
             std::tie(b.gpu_instance, b.compute_instance);
    });
    return devices;
  });
}

}  // namespace drapci::hal
