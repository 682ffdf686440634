// Nvml by the library of NVIDIA's driver (or one that answers like it).
//
// Has not met a real GPU yet: it was built from the published interface and is tested against
// test/sim/nvml.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "hal/nvml/library.h"
#include "hal/nvml/nvml.h"

namespace drapci::hal {

inline constexpr const char* kNvmlLibrary = "libnvidia-ml.so.1";

class SystemNvml : public Nvml {
 public:
  // `library`: an absolute path, or a name that the loader searches. Nothing is loaded before the
  // first call; a library that is missing then is kUnsupported, and looked for again by the next.
  explicit SystemNvml(std::string library = kNvmlLibrary) : library_(std::move(library)) {}

  Result<std::string> DriverVersion() override;
  Result<std::vector<PciAddress>> Gpus() override;
  Result<GpuInfo> Gpu(const PciAddress& gpu) override;

  Result<MigMode> GetMigMode(const PciAddress& gpu) override;
  Result<MigSwitch> SetMigMode(const PciAddress& gpu, bool enabled) override;

  Result<std::vector<GpuInstanceProfile>> GpuInstanceProfiles(const PciAddress& gpu) override;
  Result<uint32_t> RemainingGpuInstances(const PciAddress& gpu, uint32_t profile_id) override;
  Result<std::vector<GpuInstance>> GpuInstances(const PciAddress& gpu) override;
  Result<GpuInstance> CreateGpuInstance(const PciAddress& gpu, uint32_t profile_id,
                                        const MigPlacement& placement) override;
  Result<> DestroyGpuInstance(const PciAddress& gpu, uint32_t id) override;

  Result<std::vector<ComputeInstanceProfile>> ComputeInstanceProfiles(
      const PciAddress& gpu, uint32_t gpu_instance) override;
  Result<std::vector<ComputeInstance>> ComputeInstances(const PciAddress& gpu,
                                                        uint32_t gpu_instance) override;
  Result<ComputeInstance> CreateComputeInstance(
      const PciAddress& gpu, uint32_t gpu_instance, uint32_t profile_id,
      const std::optional<MigPlacement>& placement) override;
  Result<> DestroyComputeInstance(const PciAddress& gpu, uint32_t gpu_instance,
                                  uint32_t id) override;
  Result<std::vector<MigDevice>> MigDevices(const PciAddress& gpu) override;

  Result<std::vector<GpuProcess>> Processes(const PciAddress& gpu) override;
  Result<GpuTelemetry> Telemetry(const PciAddress& gpu) override;
  Result<GpuHealth> Health(const PciAddress& gpu) override;
  void Release() override { library_.Release(); }

 private:
  // Where the events of one GPU are waited for.
  struct Listening {
    uint64_t opening = 0;          // of the library, with which it goes
    nvml::EventSet set = nullptr;  // null: this GPU has none
  };
  std::optional<std::vector<uint64_t>> TakeXids(nvml::Session& session, const PciAddress& gpu);
  void Listen(nvml::Session& session, const PciAddress& gpu, nvml::Device device);

  nvml::Library library_;
  std::mutex listening_mutex_;
  std::map<PciAddress, Listening> listening_;  // guarded by listening_mutex_
};

}  // namespace drapci::hal
