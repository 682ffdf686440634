#include "test/sim/nvml/board_gpus.h"

#include <fmt/format.h>

#include "test/sim/nvml/boards.h"

namespace drapci::sim::nvml {
namespace {

constexpr unsigned kMajor = 740;  // of no real device

}  // namespace

Result<State> StateOf(const Kernel& kernel, std::string capabilities) {
  State state;
  state.capabilities = std::move(capabilities);
  for (const FunctionSpec& spec : kernel.Specs()) {
    const auto model = spec.model.find("nvml");
    if (model == spec.model.end()) continue;
    DRAPCI_TRY(Gpu gpu, MakeGpu(model->second, spec.address.ToString(),
                                static_cast<uint32_t>(state.gpus.size())));
    const auto now = kernel.State(spec.address);
    gpu.bound = now && now->driver == "nvidia";
    state.gpus.push_back(std::move(gpu));
  }
  return state;
}

Result<> NoticeBinding(const StateFile& file, const Uevent& event) {
  if (event.subsystem != "pci" || (event.action != "bind" && event.action != "unbind")) return {};
  const std::string address = event.devpath.substr(event.devpath.rfind('/') + 1);
  const bool bound = event.action == "bind" && event.Property("DRIVER") == "nvidia";
  return file.Change([&](State& state) {
    Gpu* gpu = FindGpu(state, address);
    if (gpu == nullptr || gpu->bound == bound) return;
    gpu->bound = bound;
    if (!gpu->mig_needs_reset) gpu->mig_pending = false;  // forgotten without the driver
    ResetGpu(*gpu);
  });
}

std::vector<DeviceNode> CommonNodes() {
  return {{.path = "/dev/nvidiactl", .major = kMajor, .minor = 255, .permissions = 0666},
          {.path = "/dev/nvidia-uvm", .major = kMajor, .minor = 256, .permissions = 0666},
          {.path = "/dev/nvidia-uvm-tools", .major = kMajor, .minor = 257, .permissions = 0666}};
}

DeviceNode CapabilityNode(uint32_t minor) {
  return {.path = fmt::format("/dev/nvidia-caps/nvidia-cap{}", minor),
          .major = kMajor + 1,
          .minor = minor,
          .permissions = 0444};
}

}  // namespace drapci::sim::nvml
