#include "hal/accel/match.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/amdgpu.h"
#include "hal/accel/amdgpu_kfd.h"
#include "hal/accel/amdgpu_settings.h"
#include "hal/accel/devlink_nic.h"
#include "hal/accel/devlink_settings.h"
#include "hal/accel/dfl_fpga.h"
#include "hal/accel/dfl_fpga_settings.h"
#include "hal/accel/drm_card.h"
#include "hal/accel/function.h"
#include "hal/accel/idxd.h"
#include "hal/accel/idxd_settings.h"
#include "hal/accel/net_settings.h"
#include "hal/accel/nvidia.h"
#include "hal/accel/nvidia_nodes.h"
#include "hal/accel/nvidia_settings.h"
#include "hal/accel/pci_settings.h"
#include "hal/accel/qat.h"
#include "hal/accel/qat_settings.h"
#include "hal/accel/sriov.h"
#include "hal/accel/xe.h"
#include "hal/accel/xe_settings.h"
#include "hal/base/parse.h"
#include "hal/pci/device_nodes.h"
#include "hal/pci/node_users.h"
#include "hal/pci/vfio.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kSimulated = "a simulator of its driver's rules; no real card yet";
constexpr std::string_view kSoftwareFpga =
    "cards made of software with the kernel's own driver; no real card yet";
constexpr std::string_view kEmulatedNic =
    "QEMU's igb with the kernel's own driver; no real card yet";
constexpr std::string_view kEmulated =
    "QEMU's igb and NVMe with the kernel's own drivers; no real card yet";

Result<> CheckAmd(Host& host, const PciAddress& gpu) { return CheckAmdGpuUnused(host.sysfs, gpu); }
Result<> CheckNvidia(Host& host, const PciAddress& gpu) { return CheckNvidiaReleased(host, gpu); }

constexpr Family kFamilies[] = {
    {"dfl", IsDflFpga, MakeDflFpgaAccelerator, AddDflFpgaSettings, kSoftwareFpga},
    {"nvidia",
     IsNvidiaGpu,
     MakeNvidiaAccelerator,
     AddNvidiaSettings,
     kSimulated,
     {kNvidiaDriver, CheckNvidia}},
    {"amdgpu",
     IsAmdGpuFunction,
     MakeAmdGpuAccelerator,
     AddAmdSettings,
     kSimulated,
     {kAmdDriver, CheckAmd}},
    {"xe", IsXeFunction, MakeXeAccelerator, AddXeSettings, kSimulated},
    {"idxd", IsIdxdFunction, MakeIdxdAccelerator, AddIdxdSettings, kSimulated},
    {"qat", IsQatFunction, MakeQatAccelerator, AddQatSettings, kSimulated},
    {"smartnic", IsSmartNicFunction, MakeSmartNicAccelerator, AddDevlinkSettings, kSimulated},
    {"sriov", IsSriovFunction, MakeSriovAccelerator, nullptr, kEmulatedNic},
    {"drm", IsDrmCard, MakeDrmCardAccelerator, nullptr, kSimulated},
    {"function", IsEndpoint, MakeFunctionAccelerator, nullptr, kEmulated},
};

}  // namespace

std::span<const Family> Families() { return kFamilies; }

const Family* MatchFamily(const PciFunction& function) {
  const auto family =
      std::ranges::find_if(kFamilies, [&](const Family& each) { return each.matches(function); });
  return family != std::end(kFamilies) ? &*family : nullptr;
}

Result<> CheckUnusedBy(Host& host, const PciAddress& function, std::string_view driver) {
  for (const Family& family : kFamilies) {
    if (!driver.empty() && family.check_unused.driver == driver) {
      return family.check_unused.check(host, function);
    }
  }
  DRAPCI_TRY(std::vector<std::string> nodes, DeviceNodes(host.sysfs, function));
  if (IsVfioDriver(driver)) {
    DRAPCI_TRY(const std::string group, VfioGroupNode(host.sysfs, function));
    nodes.push_back(group);
  }
  return CheckUnused(host.sysfs, nodes, function.ToString());
}

std::string_view SeenOn(std::string_view family) {
  const auto row = std::ranges::find(kFamilies, family, &Family::name);
  return row != std::end(kFamilies) ? row->seen_on : std::string_view();
}

SettingTable MakeSettings(Host& host) {
  SettingTable table;
  AddPciSettings(host, table);
  AddNetSettings(host, table);
  for (const Family& family : kFamilies) {
    if (family.add_settings != nullptr) family.add_settings(host, table);
  }
  return table;
}

std::string AcceleratorName(const PciAddress& address) {
  return fmt::format("pci-{:04x}-{:02x}-{:02x}-{}", address.domain, address.bus, address.device,
                     address.function);
}

std::optional<PciAddress> AcceleratorAddress(std::string_view name) {
  constexpr std::string_view kPrefix = "pci-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::vector<std::string_view> fields = Split(name.substr(kPrefix.size()), '-');
  if (fields.size() != 4) return std::nullopt;
  return PciAddress::Parse(fmt::format("{}:{}:{}.{}", fields[0], fields[1], fields[2], fields[3]));
}

}  // namespace drapci::hal
