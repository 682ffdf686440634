#include "hal/pci/node_users.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

// udev opens what is new to read labels and properties.
bool IsUdev(std::string_view program) {
  return program == "systemd-udevd" || program == "(udev-worker)" || program == "udevadm";
}

bool HasOpen(const Sysfs& sysfs, const std::string& process, std::span<const std::string> nodes) {
  const std::string dir = process + "/fd";
  const auto files = sysfs.List(dir);
  if (!files) return false;  // ended, or not ours to see
  return std::ranges::any_of(*files, [&](const std::string& file) {
    const auto target = sysfs.ReadLink(fmt::format("{}/{}", dir, file));
    return target && std::ranges::find(nodes, *target) != nodes.end();
  });
}

}  // namespace

Result<std::vector<NodeUser>> UsersOf(const Sysfs& sysfs, std::span<const std::string> nodes) {
  std::vector<NodeUser> users;
  if (nodes.empty() || !sysfs.Exists("/proc")) return users;
  DRAPCI_TRY(const std::vector<std::string> names, sysfs.List("/proc"));
  for (const std::string& name : names) {
    const auto pid = ParseInt<int>(name);
    if (!pid) continue;
    const std::string process = "/proc/" + name;
    if (!HasOpen(sysfs, process, nodes)) continue;
    const auto comm = sysfs.Read(process + "/comm");
    if (!comm || IsUdev(Trim(*comm))) continue;
    users.push_back({.pid = *pid, .name = std::string(Trim(*comm))});
  }
  std::ranges::sort(users, {}, &NodeUser::pid);
  return users;
}

std::string NameUsers(std::span<const NodeUser> users) {
  if (users.empty()) return "nobody";
  const std::string first = fmt::format("{} (pid {})", users.front().name, users.front().pid);
  return users.size() == 1 ? first : fmt::format("{} and {} more", first, users.size() - 1);
}

Result<> CheckUnused(const Sysfs& sysfs, std::span<const std::string> nodes,
                     std::string_view what) {
  DRAPCI_TRY(const std::vector<NodeUser> users, UsersOf(sysfs, nodes));
  if (users.empty()) return {};
  return Fail(Code::kBusy, fmt::format("{} is used by {}: stop it first", what, NameUsers(users)));
}

}  // namespace drapci::hal
