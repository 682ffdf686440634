#include "hal/pci/device_nodes.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr int kMaxDepth = 8;

// Directories that hold no device nodes and can hold many others.
constexpr std::string_view kSkipped[] = {"holders",    "infiniband", "integrity", "link",  "mq",
                                         "msi_irqs",   "net",        "power",     "queue", "slaves",
                                         "statistics", "trace",      "wakeup"};

// "nvme0n1" or "dri/renderD128" as the kernel's devtmpfs takes it, and nothing that leaves /dev.
Result<std::string> NodePath(std::string_view name, std::string_view device) {
  bool good = !name.empty();
  for (std::string_view component : Split(name, '/')) {
    if (component.empty() || component == "." || component == "..") good = false;
  }
  if (std::ranges::any_of(name, [](unsigned char c) { return c <= 0x20 || c == 0x7f; }))
    good = false;
  if (!good)
    return Fail(Code::kInvalid, fmt::format("{}/uevent has a DEVNAME that no device node "
                                            "can have",
                                            device));
  return fmt::format("/dev/{}", name);
}

Result<> AddNode(const Sysfs& sysfs, const std::string& device, std::vector<std::string>& nodes) {
  const Result<std::string> uevent = sysfs.Read(device + "/uevent");
  if (!uevent) return {};  // removed meanwhile
  for (std::string_view line : Split(*uevent, '\n')) {
    constexpr std::string_view kKey = "DEVNAME=";
    if (!line.starts_with(kKey)) continue;
    DRAPCI_TRY(nodes.emplace_back(), NodePath(line.substr(kKey.size()), device));
    return {};
  }
  return {};
}

Result<> Collect(const Sysfs& sysfs, const std::string& dir, int depth,
                 std::vector<std::string>& nodes) {
  const Result<std::vector<std::string>> children = sysfs.ListDirectories(dir);
  if (!children || depth > kMaxDepth) return {};
  for (const std::string& name : *children) {
    if (std::ranges::find(kSkipped, name) != std::end(kSkipped) || PciAddress::Parse(name))
      continue;
    const std::string child = fmt::format("{}/{}", dir, name);
    if (sysfs.Exists(child + "/dev")) DRAPCI_CHECK(AddNode(sysfs, child, nodes));
    DRAPCI_CHECK(Collect(sysfs, child, depth + 1, nodes));
  }
  return {};
}

// The names in `dir`; none when it does not exist.
Result<std::vector<std::string>> ListIfThere(const Sysfs& sysfs, const std::string& dir) {
  Result<std::vector<std::string>> names = sysfs.List(dir);
  if (!names && names.error().sys == ENOENT) return std::vector<std::string>();
  return names;
}

}  // namespace

Result<std::vector<std::string>> DeviceNodes(const Sysfs& sysfs, const DevicePlace& place) {
  DRAPCI_TRY(const std::string dir, place.Path(sysfs));
  std::vector<std::string> nodes;
  DRAPCI_CHECK(Collect(sysfs, dir, 0, nodes));
  std::ranges::sort(nodes);
  const auto rest = std::ranges::unique(nodes);
  nodes.erase(rest.begin(), rest.end());
  return nodes;
}

Result<std::vector<std::string>> NetworkInterfaces(const Sysfs& sysfs, const DevicePlace& place) {
  DRAPCI_TRY(const std::string dir, place.Path(sysfs));
  DRAPCI_TRY(std::vector<std::string> interfaces, ListIfThere(sysfs, dir + "/net"));
  DRAPCI_TRY(const std::vector<std::string> children, ListIfThere(sysfs, dir));
  for (const std::string& child : children) {
    if (!child.starts_with("virtio")) continue;  // virtio puts a device of its own in between
    DRAPCI_TRY(const std::vector<std::string> names,
               ListIfThere(sysfs, fmt::format("{}/{}/net", dir, child)));
    std::ranges::copy(names, std::back_inserter(interfaces));
  }
  std::ranges::sort(interfaces);
  return interfaces;
}

}  // namespace drapci::hal
