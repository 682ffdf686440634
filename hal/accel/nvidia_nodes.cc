#include "hal/accel/nvidia_nodes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "hal/base/parse.h"
#include "hal/nvml/nvml.h"
#include "hal/pci/device_nodes.h"
#include "hal/pci/node_users.h"

namespace drapci::hal {
namespace {

constexpr unsigned kMostGpus = 255;  // /dev/nvidiactl has minor 255

// The number behind "KEY:" on a line of its own.
std::optional<unsigned> Number(std::string_view text, std::string_view key) {
  for (std::string_view line : Split(text, '\n')) {
    line = Trim(line);
    if (line.starts_with(key)) return ParseInt<unsigned>(Trim(line.substr(key.size())));
  }
  return std::nullopt;
}

Result<std::vector<NodeUser>> NodeUsers(const Host& host, const PciAddress& gpu) {
  std::vector<std::string> nodes;
  if (auto told = DeviceNodes(host.sysfs, gpu)) nodes = *std::move(told);
  if (const auto minor = NvidiaMinor(host.sysfs, gpu)) {
    nodes.push_back(fmt::format("/dev/nvidia{}", *minor));
  }
  return UsersOf(host.sysfs, nodes);
}

std::unexpected<Error> InUse(const PciAddress& gpu, const std::string& users) {
  return Fail(Code::kBusy, fmt::format("{} is used by {}: stop it first", gpu.ToString(), users));
}

}  // namespace

std::optional<unsigned> NvidiaMinor(const Sysfs& sysfs, const PciAddress& gpu) {
  const auto text =
      sysfs.Read(fmt::format("/proc/driver/nvidia/gpus/{}/information", gpu.ToString()));
  if (!text) return std::nullopt;
  const auto minor = Number(*text, "Device Minor:");
  return minor && *minor < kMostGpus ? minor : std::nullopt;
}

Result<std::string> NvidiaCapabilityNode(const Sysfs& sysfs, const std::string& capability) {
  const std::string path = fmt::format("/proc/driver/nvidia/capabilities/{}/access", capability);
  const auto text = sysfs.Read(path);
  if (!text) {
    return Fail(Code::kNotFound,
                fmt::format("the driver has no capability {}, which a container needs: {}",
                            capability, text.error().what));
  }
  const auto minor = Number(*text, "DeviceFileMinor:");
  if (!minor) return Fail(Code::kInvalid, fmt::format("{} tells no DeviceFileMinor", path));
  return fmt::format("/dev/nvidia-caps/nvidia-cap{}", *minor);
}

std::string NameNvidiaProcesses(const Host& host, const PciAddress& gpu,
                                std::optional<uint32_t> gpu_instance) {
  if (host.nvml == nullptr) return {};
  const auto processes = host.nvml->Processes(gpu);
  if (!processes) return {};
  std::vector<NodeUser> users;
  for (const GpuProcess& process : *processes) {
    if (gpu_instance && process.gpu_instance != gpu_instance) continue;
    const auto comm = host.sysfs.Read(fmt::format("/proc/{}/comm", process.pid));
    users.push_back({.pid = static_cast<int>(process.pid),
                     .name = comm ? std::string(Trim(*comm)) : "a process"});
  }
  return users.empty() ? std::string() : NameUsers(users);
}

Result<> CheckNvidiaUnused(const Host& host, const PciAddress& gpu) {
  if (const std::string users = NameNvidiaProcesses(host, gpu); !users.empty()) {
    return InUse(gpu, users);
  }
  DRAPCI_TRY(std::vector<NodeUser> users, NodeUsers(host, gpu));
  std::erase_if(users, [](const NodeUser& user) { return user.pid == ::getpid(); });
  if (users.empty()) return {};
  return InUse(gpu, NameUsers(users));
}

Result<> CheckNvidiaReleased(const Host& host, const PciAddress& gpu) {
  DRAPCI_CHECK(CheckNvidiaUnused(host, gpu));
  if (host.nvml != nullptr) host.nvml->Release();
  DRAPCI_TRY(const std::vector<NodeUser> users, NodeUsers(host, gpu));
  if (users.empty()) return {};
  return InUse(gpu, NameUsers(users));
}

}  // namespace drapci::hal
