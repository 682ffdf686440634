#include "hal/pci/vfio.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

// The name of the function's IOMMU group: a number.
Result<std::string> Group(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(std::string group, LinkName(sysfs, address.SysfsPath() + "/iommu_group"));
  if (!group.empty()) return group;
  if (!sysfs.Exists(address.SysfsPath())) {
    return Fail(
        {Code::kGone, ENODEV, fmt::format("PCI function {} is not there", address.ToString())});
  }
  return Fail(
      Code::kUnsupported,
      fmt::format("{} has no IOMMU group, so VFIO cannot isolate it; switch the IOMMU on in "
                  "the firmware and on the kernel command line (intel_iommu=on)",
                  address.ToString()));
}

bool IsBridge(const Sysfs& sysfs, const PciAddress& address) {
  const Result<std::string> text = sysfs.Read(address.SysfsPath() + "/class");
  const auto code = text ? ParseHex<uint32_t>(Trim(*text)) : std::nullopt;
  return code && *code >> 16 == 0x06;
}

bool IsNode(const DevIo& dev, const std::string& path) { return dev.Stat(path).has_value(); }

// The VFIO character device of the function ("vfio3"), where the kernel has them:
// CONFIG_VFIO_DEVICE_CDEV gives it a `dev` attribute, and iommufd its own node.
Result<std::string> CharacterDevice(const Host& host, const PciAddress& address) {
  const std::string dir = address.SysfsPath() + "/vfio-dev";
  const Result<std::vector<std::string>> names = host.sysfs.List(dir);
  if (!names || !IsNode(host.dev, "/dev/iommu")) return std::string();
  for (const std::string& name : *names) {
    if (host.sysfs.Exists(fmt::format("{}/{}/dev", dir, name))) return name;
  }
  return std::string();
}

Result<std::vector<std::string>> WantedNodes(const Host& host, const PciAddress& address) {
  DRAPCI_TRY(const std::string group, Group(host.sysfs, address));
  DRAPCI_TRY(const std::string device, CharacterDevice(host, address));
  if (!device.empty()) {
    return std::vector<std::string>{"/dev/vfio/devices/" + device, "/dev/iommu"};
  }
  return std::vector<std::string>{"/dev/vfio/vfio", "/dev/vfio/" + group};
}

}  // namespace

Result<std::string> VfioGroupNode(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const std::string group, Group(sysfs, address));
  return "/dev/vfio/" + group;
}

Result<std::vector<PciAddress>> IommuPeers(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const std::string group, Group(sysfs, address));
  DRAPCI_TRY(const std::vector<std::string> names,
             sysfs.List(fmt::format("/sys/kernel/iommu_groups/{}/devices", group)));
  std::vector<PciAddress> peers;
  for (const std::string& name : names) {
    const auto peer = PciAddress::Parse(name);
    if (peer && *peer != address && !IsBridge(sysfs, *peer)) peers.push_back(*peer);
  }
  return peers;
}

Result<> CheckVfioGroup(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const std::vector<PciAddress> peers, IommuPeers(sysfs, address));
  for (const PciAddress& peer : peers) {
    DRAPCI_TRY(const std::string driver, LinkName(sysfs, peer.SysfsPath() + "/driver"));
    if (driver.empty()) continue;
    return Fail(Code::kConflict,
                fmt::format("{} cannot be handed over by VFIO: {} is in the same IOMMU group and "
                            "bound to {}; unbind that first, or use a slot with ACS",
                            address.ToString(), peer.ToString(), driver));
  }
  return {};
}

Result<std::vector<std::string>> VfioNodes(Host& host, const PciAddress& address,
                                           MonotonicTime deadline) {
  Result<std::vector<std::string>> nodes;
  const bool there = host.events.WaitUntil(
      [&] {
        nodes = WantedNodes(host, address);
        return !nodes || std::ranges::all_of(*nodes, [&](const std::string& node) {
          return IsNode(host.dev, node);
        });
      },
      deadline);
  if (!nodes || there) return nodes;
  return Fail(Code::kTimeout,
              fmt::format("device nodes {} of {} did not appear in time; is it bound "
                          "to a vfio driver?",
                          fmt::join(*nodes, ", "), address.ToString()));
}

}  // namespace drapci::hal
