// NVIDIA's GPUs of a simulated machine (board_gpus.h) for unit tests: the stand-in library, called
// by drapci's own code for NVML; /proc/driver/nvidia and the nodes of capabilities appear in the
// machine as its driver would make them, and binding and unbinding the driver is seen.
//
// One at a time in a process: the library finds its state by an environment variable.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hal/nvml/system_nvml.h"
#include "test/sim/kernel/kernel.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim {

class SimulatedGpus : public hal::Nvml {
 public:
  // `may_change` is asked before each call that changes something; its error is that of the call.
  // The kernel must outlive this, and have its boards already.
  explicit SimulatedGpus(
      Kernel& kernel, std::function<Result<>()> may_change = [] { return Result<>(); });
  ~SimulatedGpus() override;

  // Past the code under test.
  void Change(const std::function<void(nvml::State&)>& change);
  void ChangeGpu(std::string_view gpu, const std::function<void(nvml::Gpu&)>& change);
  nvml::State State() const;
  // Modes and instances of all GPUs by place, without ids and UUIDs, which are new each time.
  std::string Dump() const;

  Result<std::string> DriverVersion() override;
  Result<std::vector<hal::PciAddress>> Gpus() override;
  Result<hal::GpuInfo> Gpu(const hal::PciAddress& gpu) override;
  Result<hal::MigMode> GetMigMode(const hal::PciAddress& gpu) override;
  Result<hal::MigSwitch> SetMigMode(const hal::PciAddress& gpu, bool enabled) override;
  Result<std::vector<hal::GpuInstanceProfile>> GpuInstanceProfiles(
      const hal::PciAddress& gpu) override;
  Result<uint32_t> RemainingGpuInstances(const hal::PciAddress& gpu, uint32_t profile_id) override;
  Result<std::vector<hal::GpuInstance>> GpuInstances(const hal::PciAddress& gpu) override;
  Result<hal::GpuInstance> CreateGpuInstance(const hal::PciAddress& gpu, uint32_t profile_id,
                                             const hal::MigPlacement& placement) override;
  Result<> DestroyGpuInstance(const hal::PciAddress& gpu, uint32_t id) override;
  Result<std::vector<hal::ComputeInstanceProfile>> ComputeInstanceProfiles(
      const hal::PciAddress& gpu, uint32_t gpu_instance) override;
  Result<std::vector<hal::ComputeInstance>> ComputeInstances(const hal::PciAddress& gpu,
                                                             uint32_t gpu_instance) override;
  Result<hal::ComputeInstance> CreateComputeInstance(
      const hal::PciAddress& gpu, uint32_t gpu_instance, uint32_t profile_id,
      const std::optional<hal::MigPlacement>& placement) override;
  Result<> DestroyComputeInstance(const hal::PciAddress& gpu, uint32_t gpu_instance,
                                  uint32_t id) override;
  Result<std::vector<hal::MigDevice>> MigDevices(const hal::PciAddress& gpu) override;
  Result<std::vector<hal::GpuProcess>> Processes(const hal::PciAddress& gpu) override;
  Result<hal::GpuTelemetry> Telemetry(const hal::PciAddress& gpu) override;
  Result<hal::GpuHealth> Health(const hal::PciAddress& gpu) override;
  void Release() override { library_.Release(); }

 private:
  void Mirror();
  void NoticeBinding(const Uevent& event);
  template <class Work>
  auto Changing(Work work) -> decltype(work()) {
    if (auto may = may_change_(); !may) return Fail(std::move(may).error());
    auto result = work();
    Mirror();
    return result;
  }

  Kernel& kernel_;
  const std::function<Result<>()> may_change_;
  std::string directory_;
  nvml::StateFile file_{""};
  hal::SystemNvml library_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace drapci::sim
