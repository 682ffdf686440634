#include "test/sim/front/gpus.h"

#include <sys/mount.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "hal/base/log.h"
#include "test/sim/front/uevents.h"
#include "test/sim/nvml/board_gpus.h"
#include "test/sim/nvml/capabilities.h"

namespace drapci::sim {
namespace {

constexpr const char* kDirectory = "/run/drapci-sim/gpus";
constexpr const char* kProcDriver = "/proc/driver";
// The instances whose nodes are made beforehand, since nobody here is nvidia-modprobe: all GPU
// instances, each with its first compute instance.
constexpr uint32_t kGpuInstances = 15;

Result<> MakeNodes(const nvml::State& state) {
  for (const DeviceNode& node : nvml::CommonNodes()) DRAPCI_CHECK(MakeNode(node));
  for (const nvml::Gpu& gpu : state.gpus) {
    for (uint32_t instance = 0; instance < kGpuInstances; ++instance) {
      for (const uint32_t minor : {nvml::CapabilityMinor(gpu.minor, instance),
                                   nvml::CapabilityMinor(gpu.minor, instance, 0)}) {
        DRAPCI_CHECK(MakeNode(nvml::CapabilityNode(minor)));
      }
    }
  }
  return {};
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> ServeGpus(Kernel& kernel) {
  std::vector<std::pair<std::string, std::string>> environment;
  const std::string proc_driver = std::string(kDirectory) + "/proc-driver";
  DRAPCI_TRY(const nvml::State state, nvml::StateOf(kernel, proc_driver));
  if (state.gpus.empty()) return environment;
  std::error_code failed;
  std::filesystem::create_directories(proc_driver, failed);
  if (failed) return Fail(Error::FromErrno(failed.value(), proc_driver));
  const auto file = std::make_shared<nvml::StateFile>(std::string(kDirectory) + "/state.json");
  DRAPCI_CHECK(file->Create(state));
  if (::mount(proc_driver.c_str(), kProcDriver, nullptr, MS_BIND, nullptr) != 0) {
    return Fail(Error::FromErrno(errno, std::string("mount on ") + kProcDriver));
  }
  DRAPCI_CHECK(MakeNodes(state));
  kernel.OnEvent([file](const Uevent& event) {
    if (auto noticed = nvml::NoticeBinding(*file, event); !noticed) {
      Log(LogLevel::kError, "drapci-sim: {}", noticed.error().what);
    }
  });
  ::setenv(nvml::kStateVariable, file->path().c_str(), 1);  // for what is injected (conditions.h)
  const char* before = std::getenv("LD_LIBRARY_PATH");
  environment.emplace_back(nvml::kStateVariable, file->path());
  environment.emplace_back("LD_LIBRARY_PATH", std::string(DRAPCI_SIM_NVML_DIR) +
                                                  (before ? std::string(":") + before : ""));
  return environment;
}

}  // namespace drapci::sim
