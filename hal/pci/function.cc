#include "hal/pci/function.h"

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

}  // namespace

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
  // A missing link and a missing device look alike until here.
  DRAPCI_CHECK(sysfs.Resolve(dir));
  return {};
}

}  // namespace drapci::hal
