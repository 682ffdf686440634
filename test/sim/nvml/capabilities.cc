#include "test/sim/nvml/capabilities.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "hal/base/parse.h"

namespace drapci::sim::nvml {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kGpus = 32, kGpuInstances = 15, kComputeInstances = 8;
constexpr int kEverybody = 0444, kRoot = 0400;

using Files = std::map<std::string, std::string>;  // path below the directory -> content

std::string Access(uint32_t minor, int mode) {
  return fmt::format("DeviceFileMinor: {}\nDeviceFileMode: {}\nDeviceFileModify: 1\n", minor, mode);
}

// All that could ever exist, as the driver lists it once.
std::string MigMinors() {
  std::string text = "config 1\nmonitor 2\n";
  for (uint32_t gpu = 0; gpu < kGpus; ++gpu) {
    for (uint32_t instance = 0; instance < kGpuInstances; ++instance) {
      text += fmt::format("gpu{}/gi{}/access {}\n", gpu, instance, CapabilityMinor(gpu, instance));
      for (uint32_t compute = 0; compute < kComputeInstances; ++compute) {
        text += fmt::format("gpu{}/gi{}/ci{}/access {}\n", gpu, instance, compute,
                            CapabilityMinor(gpu, instance, compute));
      }
    }
  }
  return text;
}

std::string Information(const Gpu& gpu) {
  return fmt::format(
      "Model: \t\t {}\nIRQ:   \t\t 0\nGPU UUID: \t {}\nVideo BIOS: \t ??.??.??.??.??\n"
      "Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n"
      "Bus Location: \t {}\nDevice Minor: \t {}\nGPU Excluded:\t No\n",
      gpu.name, gpu.uuid, gpu.address, gpu.minor);
}

void AddInstances(const Gpu& gpu, Files& files) {
  for (const GpuInstance& instance : gpu.instances) {
    const std::string at =
        fmt::format("nvidia/capabilities/gpu{}/mig/gi{}", gpu.minor, instance.id);
    files[at + "/access"] = Access(CapabilityMinor(gpu.minor, instance.id), kEverybody);
    for (const ComputeInstance& compute : instance.compute) {
      files[fmt::format("{}/ci{}/access", at, compute.id)] =
          Access(CapabilityMinor(gpu.minor, instance.id, compute.id), kEverybody);
    }
  }
}

Files Wanted(const State& state) {
  Files files;
  if (!state.driver_loaded) return files;
  files["nvidia/version"] =
      fmt::format("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Stand-in\n",
                  state.driver_version);
  files["nvidia/capabilities/mig/config"] = Access(1, kRoot);
  files["nvidia/capabilities/mig/monitor"] = Access(2, kEverybody);
  for (const Gpu& gpu : state.gpus) {
    if (!gpu.bound) continue;
    files[fmt::format("nvidia/gpus/{}/information", gpu.address)] = Information(gpu);
    AddInstances(gpu, files);
  }
  return files;
}

// Whole or not at all, and not when it is there already.
Result<> WriteFile(const fs::path& path, const std::string& text) {
  std::ifstream present(path);
  if (present && std::string(std::istreambuf_iterator<char>(present), {}) == text) return {};
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  const fs::path fresh = path.string() + ".new";
  std::ofstream(fresh, std::ios::trunc) << text;
  fs::rename(fresh, path, failed);
  if (failed) return Fail(Code::kIo, fmt::format("cannot write {}", path.string()));
  return {};
}

// Removes what is not wanted any more, directories that became empty too.
void Prune(const fs::path& root, const fs::path& directory, const Files& wanted) {
  std::error_code failed;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(directory, failed)) entries.push_back(entry);
  for (const fs::path& entry : entries) {
    if (fs::is_directory(entry, failed)) {
      Prune(root, entry, wanted);
      fs::remove(entry, failed);  // refuses one that is not empty
    } else if (!wanted.contains(fs::relative(entry, root, failed).string())) {
      fs::remove(entry, failed);
    }
  }
}

}  // namespace

uint32_t CapabilityMinor(uint32_t gpu_minor, uint32_t gpu_instance) {
  constexpr uint32_t kFirst = 3;  // behind config and monitor
  return kFirst + kGpuInstances * (1 + kComputeInstances) * gpu_minor +
         (1 + kComputeInstances) * gpu_instance;
}

uint32_t CapabilityMinor(uint32_t gpu_minor, uint32_t gpu_instance, uint32_t compute_instance) {
  return CapabilityMinor(gpu_minor, gpu_instance) + 1 + compute_instance;
}

Result<> WriteCapabilities(const State& state) {
  if (state.capabilities.empty()) return {};
  const fs::path root = state.capabilities;
  std::error_code failed;
  const fs::path minors = root / "nvidia-caps/mig-minors";
  if (state.driver_loaded && !fs::exists(minors, failed))
    DRAPCI_CHECK(WriteFile(minors, MigMinors()));
  if (!state.driver_loaded) fs::remove_all(root / "nvidia-caps", failed);
  const Files wanted = Wanted(state);
  Prune(root, root / "nvidia", wanted);
  for (const auto& [path, text] : wanted) {
    DRAPCI_CHECK(WriteFile(root / path, text));
  }
  return {};
}

}  // namespace drapci::sim::nvml
