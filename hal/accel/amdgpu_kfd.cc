#include "hal/accel/amdgpu_kfd.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "hal/base/parse.h"
#include "hal/pci/device_nodes.h"

namespace drapci::hal {
namespace {

constexpr char kTopology[] = "/sys/class/kfd/kfd/topology";
constexpr char kProcesses[] = "/sys/class/kfd/kfd/proc";
constexpr int kTries = 5;
constexpr int kMostIndexes = 8;  // what fits below a function's address

struct KfdNode {
  uint64_t location = 0, domain = 0;
  AmdPartition partition;
};

// `properties` is one "key value" a line; keys come and go with kernels.
KfdNode ParseProperties(std::string_view text) {
  KfdNode node;
  for (const std::string_view line : Split(text, '\n')) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, blank);
    const auto value = ParseInt<uint64_t>(Trim(line.substr(blank)));
    if (!value) continue;
    const auto number = [&](int otherwise) {
      return *value <= INT32_MAX ? static_cast<int>(*value) : otherwise;
    };
    if (key == "location_id") node.location = *value;
    if (key == "domain") node.domain = *value;
    if (key == "drm_render_minor") node.partition.render_minor = number(-1);
    if (key == "num_xcc") node.partition.xccs = number(0);
    if (key == "gfx_target_version") node.partition.gfx_target = number(0);
  }
  return node;
}

// The place of the partition when the node is one of the card at `address`. Kernels have put it
// into the lowest three bits of the location, where the function's number is, and into the highest
// four.
std::optional<int> IndexOn(const PciAddress& address, const KfdNode& node) {
  if (node.domain != address.domain) return std::nullopt;
  const uint64_t card = uint64_t{address.bus} << 8 | uint64_t{address.device} << 3;
  const uint64_t here = node.location & 0xffff;
  if ((here & ~uint64_t{7}) != card) return std::nullopt;
  const auto high = static_cast<int>(node.location >> 28 & 0xf);
  if (high != 0) return (here & 7) == address.function ? std::optional(high) : std::nullopt;
  const auto low = static_cast<int>(here & 7) - address.function;
  return low >= 0 && low < kMostIndexes ? std::optional(low) : std::nullopt;
}

std::string Generation(const Sysfs& sysfs) {
  return sysfs.Read(fmt::format("{}/generation_id", kTopology)).value_or("");
}

Result<std::vector<AmdPartition>> ReadOnce(const Sysfs& sysfs, const PciAddress& address) {
  const std::string nodes = fmt::format("{}/nodes", kTopology);
  DRAPCI_TRY(const std::vector<std::string> names, sysfs.List(nodes));
  std::vector<AmdPartition> partitions;
  for (const std::string& name : names) {
    const std::string dir = fmt::format("{}/{}", nodes, name);
    const auto gpu_id = sysfs.Read(dir + "/gpu_id");
    if (!gpu_id || *gpu_id == "0") continue;  // a CPU
    const auto text = sysfs.Read(dir + "/properties");
    if (!text) {
      // Not ours to see by the device cgroup (EPERM), or gone meanwhile.
      if (text.error().code == Code::kGone || text.error().sys == EPERM) continue;
      return std::unexpected(text.error());
    }
    KfdNode node = ParseProperties(*text);
    const auto index = IndexOn(address, node);
    if (!index) continue;
    node.partition.index = *index;
    node.partition.gpu_id = *gpu_id;
    partitions.push_back(std::move(node.partition));
  }
  std::ranges::sort(partitions, {}, &AmdPartition::index);
  return partitions;
}

// The processes that have queues or memory on one of these partitions.
Result<std::vector<NodeUser>> KfdProcesses(const Sysfs& sysfs,
                                           const std::vector<AmdPartition>& partitions) {
  std::vector<NodeUser> users;
  if (!sysfs.Exists(kProcesses)) return users;
  DRAPCI_TRY(const std::vector<std::string> names, sysfs.List(kProcesses));
  for (const std::string& name : names) {
    const auto pid = ParseInt<int>(name);
    const bool here = std::ranges::any_of(partitions, [&](const AmdPartition& partition) {
      return sysfs.Exists(fmt::format("{}/{}/vram_{}", kProcesses, name, partition.gpu_id));
    });
    if (!pid || !here) continue;
    const auto comm = sysfs.Read(fmt::format("/proc/{}/comm", *pid));
    users.push_back({.pid = *pid, .name = comm ? std::string(Trim(*comm)) : "a process"});
  }
  return users;
}

}  // namespace

Result<std::vector<AmdPartition>> ReadAmdPartitions(const Sysfs& sysfs, const PciAddress& address) {
  if (!sysfs.Exists(kTopology)) {
    return Fail(Code::kNotFound, "the kernel has no KFD, the compute driver of AMD GPUs");
  }
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::string before = Generation(sysfs);
    auto partitions = ReadOnce(sysfs, address);
    if (Generation(sysfs) == before) return partitions;
  }
  return Fail(Code::kBusy, fmt::format("{} changed each time it was read: try again", kTopology));
}

Result<std::vector<std::string>> AmdPartitionNodes(const Sysfs& sysfs, const PciAddress& address,
                                                   const AmdPartition& partition) {
  const std::string render = fmt::format("renderD{}", partition.render_minor);
  const std::string by_class = "/sys/class/drm/" + render;
  if (!sysfs.Exists(by_class)) {
    return Fail(Code::kUnsupported,
                fmt::format("the kernel has made no {} for partition {} of {}: see its log", render,
                            partition.index, address.ToString()));
  }
  DRAPCI_TRY(const std::string device, sysfs.Resolve(by_class));
  DRAPCI_TRY(const std::string card, sysfs.Resolve(address.SysfsPath()));
  // The first partition has the nodes of the function itself, the others those of platform devices
  // (drivers/gpu/drm/amd/amdxcp/amdgpu_xcp_drv.c).
  const bool own = device.starts_with(card + "/drm/");
  if (partition.index == 0 ? !own : !device.contains("/amdgpu_xcp_")) {
    return Fail(Code::kConflict,
                fmt::format("KFD names {} for partition {} of {}, and that is the node of {}",
                            render, partition.index, address.ToString(), device));
  }
  const std::string dir = device.substr(0, device.rfind('/'));
  DRAPCI_TRY(const std::vector<std::string> names, sysfs.List(dir));
  std::vector<std::string> nodes;
  for (const std::string& name : names) {
    const bool primary = name.starts_with("card") && ParseInt<unsigned>(name.substr(4));
    if (primary || name == render) nodes.push_back("/dev/dri/" + name);
  }
  return nodes;
}

Result<std::vector<NodeUser>> AmdGpuUsers(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(std::vector<std::string> nodes, DeviceNodes(sysfs, address));
  std::vector<AmdPartition> partitions;
  if (auto read = ReadAmdPartitions(sysfs, address)) {
    partitions = *std::move(read);
  } else if (read.error().code != Code::kNotFound) {
    return std::unexpected(std::move(read).error());
  }
  for (const AmdPartition& partition : partitions) {
    auto of_partition = AmdPartitionNodes(sysfs, address, partition);
    if (of_partition) std::ranges::move(*of_partition, std::back_inserter(nodes));
  }
  DRAPCI_TRY(std::vector<NodeUser> users, KfdProcesses(sysfs, partitions));
  DRAPCI_TRY(std::vector<NodeUser> openers, UsersOf(sysfs, nodes));
  std::ranges::move(openers, std::back_inserter(users));
  std::ranges::sort(users, {}, &NodeUser::pid);
  const auto same = std::ranges::unique(users, {}, &NodeUser::pid);
  users.erase(same.begin(), same.end());
  return users;
}

Result<> CheckAmdGpuUnused(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const std::vector<NodeUser> users, AmdGpuUsers(sysfs, address));
  if (users.empty()) return {};
  return Fail(Code::kBusy,
              fmt::format("{} is used by {}: stop it first", address.ToString(), NameUsers(users)));
}

}  // namespace drapci::hal
