#include "test/sim/nvml/simulated_gpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "hal/base/parse.h"
#include "test/sim/nvml/board_gpus.h"

namespace drapci::sim {
namespace {

namespace fs = std::filesystem;
using hal::PciAddress;

std::string TemporaryDirectory() {
  std::string pattern = (fs::temp_directory_path() / "drapci-gpus-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  return pattern;
}

}  // namespace

SimulatedGpus::SimulatedGpus(Kernel& kernel, std::function<Result<>()> may_change)
    : kernel_(kernel),
      may_change_(std::move(may_change)),
      directory_(TemporaryDirectory()),
      file_(directory_ + "/state.json"),
      library_(DRAPCI_SIM_NVML_LIBRARY) {
  ::setenv(nvml::kStateVariable, file_.path().c_str(), 1);
  auto state = nvml::StateOf(kernel, directory_ + "/proc-driver");
  if (!state) throw std::runtime_error(state.error().what);
  if (auto made = file_.Create(*state); !made) throw std::runtime_error(made.error().what);
  for (const DeviceNode& node : nvml::CommonNodes()) kernel.SetNode(node);
  Mirror();
  kernel.OnEvent([this, alive = std::weak_ptr<bool>(alive_)](const Uevent& event) {
    if (alive.lock()) NoticeBinding(event);
  });
}

SimulatedGpus::~SimulatedGpus() {
  alive_.reset();
  library_.Release();
  std::error_code failed;
  fs::remove_all(directory_, failed);
}

// What the driver tells in /proc, and the nodes of capabilities, which nvidia-modprobe makes. What
// is gone again stays, as nobody looks for it.
void SimulatedGpus::Mirror() {
  const fs::path root = directory_ + "/proc-driver";
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(root, failed)) {
    if (!entry.is_regular_file(failed)) continue;
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::string path = entry.path().lexically_relative(root).string();
    kernel_.SetFile("/proc/driver/" + path, text);
    constexpr std::string_view kMinor = "DeviceFileMinor: ";
    if (!text.starts_with(kMinor)) continue;
    const std::string_view number = std::string_view(text).substr(kMinor.size());
    const auto minor = ParseInt<unsigned>(number.substr(0, number.find('\n')));
    if (!minor) continue;
    kernel_.SetNode(nvml::CapabilityNode(*minor));
  }
}

void SimulatedGpus::NoticeBinding(const Uevent& event) {
  if (auto noticed = nvml::NoticeBinding(file_, event); !noticed) {
    throw std::runtime_error(noticed.error().what);
  }
}

void SimulatedGpus::Change(const std::function<void(nvml::State&)>& change) {
  if (auto changed = file_.Change(change); !changed) throw std::runtime_error(changed.error().what);
  Mirror();
}

void SimulatedGpus::ChangeGpu(std::string_view gpu, const std::function<void(nvml::Gpu&)>& change) {
  Change([&](nvml::State& state) { change(*nvml::FindGpu(state, gpu)); });
}

nvml::State SimulatedGpus::State() const { return file_.Read().value(); }

std::string SimulatedGpus::Dump() const {
  std::string text;
  for (const nvml::Gpu& gpu : State().gpus) {
    text += fmt::format("{} mig {} pending {}\n", gpu.address, gpu.mig, gpu.mig_pending);
    std::vector<std::string> instances;
    for (const nvml::GpuInstance& instance : gpu.instances) {
      std::string line = fmt::format("{} {:02}:{} profile {}", gpu.address, instance.start,
                                     instance.size, instance.profile);
      for (const nvml::ComputeInstance& compute : instance.compute) {
        line += fmt::format(" compute {}:{}", compute.start, compute.size);
      }
      instances.push_back(line + "\n");
    }
    std::ranges::sort(instances);
    for (const std::string& line : instances) text += line;
  }
  return text;
}

Result<std::string> SimulatedGpus::DriverVersion() { return library_.DriverVersion(); }
Result<std::vector<PciAddress>> SimulatedGpus::Gpus() { return library_.Gpus(); }
Result<hal::GpuInfo> SimulatedGpus::Gpu(const PciAddress& gpu) { return library_.Gpu(gpu); }
Result<hal::MigMode> SimulatedGpus::GetMigMode(const PciAddress& gpu) {
  return library_.GetMigMode(gpu);
}
Result<hal::MigSwitch> SimulatedGpus::SetMigMode(const PciAddress& gpu, bool enabled) {
  return Changing([&] { return library_.SetMigMode(gpu, enabled); });
}
Result<std::vector<hal::GpuInstanceProfile>> SimulatedGpus::GpuInstanceProfiles(
    const PciAddress& gpu) {
  return library_.GpuInstanceProfiles(gpu);
}
Result<uint32_t> SimulatedGpus::RemainingGpuInstances(const PciAddress& gpu, uint32_t profile_id) {
  return library_.RemainingGpuInstances(gpu, profile_id);
}
Result<std::vector<hal::GpuInstance>> SimulatedGpus::GpuInstances(const PciAddress& gpu) {
  return library_.GpuInstances(gpu);
}
Result<hal::GpuInstance> SimulatedGpus::CreateGpuInstance(const PciAddress& gpu,
                                                          uint32_t profile_id,
                                                          const hal::MigPlacement& placement) {
  return Changing([&] { return library_.CreateGpuInstance(gpu, profile_id, placement); });
}
Result<> SimulatedGpus::DestroyGpuInstance(const PciAddress& gpu, uint32_t id) {
  return Changing([&] { return library_.DestroyGpuInstance(gpu, id); });
}
Result<std::vector<hal::ComputeInstanceProfile>> SimulatedGpus::ComputeInstanceProfiles(
    const PciAddress& gpu, uint32_t gpu_instance) {
  return library_.ComputeInstanceProfiles(gpu, gpu_instance);
}
Result<std::vector<hal::ComputeInstance>> SimulatedGpus::ComputeInstances(const PciAddress& gpu,
                                                                          uint32_t gpu_instance) {
  return library_.ComputeInstances(gpu, gpu_instance);
}
Result<hal::ComputeInstance> SimulatedGpus::CreateComputeInstance(
    const PciAddress& gpu, uint32_t gpu_instance, uint32_t profile_id,
    const std::optional<hal::MigPlacement>& placement) {
  return Changing(
      [&] { return library_.CreateComputeInstance(gpu, gpu_instance, profile_id, placement); });
}
Result<> SimulatedGpus::DestroyComputeInstance(const PciAddress& gpu, uint32_t gpu_instance,
                                               uint32_t id) {
  return Changing([&] { return library_.DestroyComputeInstance(gpu, gpu_instance, id); });
}
Result<std::vector<hal::MigDevice>> SimulatedGpus::MigDevices(const PciAddress& gpu) {
  return library_.MigDevices(gpu);
}
Result<std::vector<hal::GpuProcess>> SimulatedGpus::Processes(const PciAddress& gpu) {
  return library_.Processes(gpu);
}
Result<hal::GpuTelemetry> SimulatedGpus::Telemetry(const PciAddress& gpu) {
  return library_.Telemetry(gpu);
}
Result<hal::GpuHealth> SimulatedGpus::Health(const PciAddress& gpu) { return library_.Health(gpu); }

}  // namespace drapci::sim
