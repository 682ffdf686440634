#include "hal/pci/function.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"
#include "hal/os/path.h"

namespace drapci::hal {
namespace {

// The number in the attribute; nothing when there is none, or no number in it.
template <class T>
std::optional<T> ReadNumber(const Sysfs& sysfs, const std::string& path) {
  const Result<std::string> text = sysfs.Read(path);
  return text ? ParseInt<T>(Trim(*text)) : std::nullopt;
}

// "pci0000:00" of "/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0": the first such component,
// also where host bridges are nested (VMD).
std::string RootOf(std::string_view resolved) {
  for (std::string_view component : Split(resolved, '/')) {
    if (component.starts_with("pci") && component.contains(':')) return std::string(component);
  }
  return {};
}

// Documentation/gpu/drm-internals.rst, Documentation/accel/introduction.rst
bool HasDrm(const Sysfs& sysfs, const PciFunction& function) {
  constexpr uint16_t kVirtio = 0x1af4;  // puts a device of its own in between
  const std::string dir = function.address.SysfsPath();
  if (sysfs.Exists(dir + "/drm") || sysfs.Exists(dir + "/accel")) return true;
  if (function.vendor != kVirtio) return false;
  const Result<std::vector<std::string>> children = sysfs.List(dir);
  return children && std::ranges::any_of(*children, [&](const std::string& child) {
           return child.starts_with("virtio") && sysfs.Exists(dir + "/" + child + "/drm");
         });
}

}  // namespace

std::string CardIdentity(const PciFunction& function) {
  std::string identity =
      fmt::format("{:04x}:{:04x} {:04x}:{:04x}", function.vendor, function.device,
                  function.subsystem_vendor, function.subsystem_device);
  // Zero and all ones stand for "none" (PCI Express Base Specification, Device Serial Number).
  if (function.serial_number && *function.serial_number != 0 &&
      *function.serial_number != UINT64_MAX) {
    identity += fmt::format(" serial {:016x}", *function.serial_number);
  }
  return identity;
}

bool SameIdentity(std::string_view one, std::string_view other) {
  return one.starts_with(other) || other.starts_with(one);
}

Result<> ReadSysfsFacts(const Sysfs& sysfs, PciFunction& function) {
  const std::string dir = function.address.SysfsPath();
  DRAPCI_TRY(const std::string resolved, sysfs.Resolve(dir));
  function.pcie_root = RootOf(resolved);
  DRAPCI_TRY(function.driver, LinkName(sysfs, dir + "/driver"));
  DRAPCI_TRY(const std::string group, LinkName(sysfs, dir + "/iommu_group"));
  function.iommu_group = ParseInt<int>(group);
  DRAPCI_TRY(const std::string physfn, LinkName(sysfs, dir + "/physfn"));
  function.physfn = PciAddress::Parse(physfn);
  function.numa_node = ReadNumber<int>(sysfs, dir + "/numa_node").value_or(-1);
  function.sriov_total = ReadNumber<int>(sysfs, dir + "/sriov_totalvfs");
  function.has_drm = HasDrm(sysfs, function);
  // A missing link and a missing device look alike until here.
  DRAPCI_CHECK(sysfs.Resolve(dir));
  return {};
}

}  // namespace drapci::hal
