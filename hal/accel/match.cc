#include "hal/accel/match.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/amdgpu.h"
#include "hal/accel/amdgpu_settings.h"
#include "hal/accel/dfl_fpga.h"
#include "hal/accel/devlink_nic.h"
#include "hal/accel/devlink_settings.h"
#include "hal/accel/dfl_fpga_settings.h"
#include "hal/accel/function.h"
#include "hal/accel/idxd.h"
#include "hal/accel/idxd_settings.h"
#include "hal/accel/net_settings.h"
#include "hal/accel/nvidia.h"
#include "hal/accel/nvidia_settings.h"
#include "hal/accel/pci_settings.h"
#include "hal/accel/qat.h"
#include "hal/accel/qat_settings.h"
#include "hal/accel/sriov.h"
#include "hal/accel/xe.h"
#include "hal/accel/xe_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kSimulated = "a simulator of its driver's rules; no real card yet";
constexpr std::string_view kSoftwareFpga =
    "cards made of software with the kernel's own driver; no real card yet";
constexpr std::string_view kEmulatedNic =
    "QEMU's igb with the kernel's own driver; no real card yet";
constexpr std::string_view kEmulated =
    "QEMU's igb and NVMe with the kernel's own drivers; no real card yet";

constexpr Family kFamilies[] = {
    {"dfl", IsDflFpga, MakeDflFpgaAccelerator, AddDflFpgaSettings, kSoftwareFpga},
    {"nvidia", IsNvidiaGpu, MakeNvidiaAccelerator, AddNvidiaSettings, kSimulated},
    {"amdgpu", IsAmdGpuFunction, MakeAmdGpuAccelerator, AddAmdSettings, kSimulated},
    {"xe", IsXeFunction, MakeXeAccelerator, AddXeSettings, kSimulated},
    {"idxd", IsIdxdFunction, MakeIdxdAccelerator, AddIdxdSettings, kSimulated},
    {"qat", IsQatFunction, MakeQatAccelerator, AddQatSettings, kSimulated},
    {"sriov", IsSriovFunction, MakeSriovAccelerator, nullptr, kEmulatedNic},
    {"function", IsEndpoint, MakeFunctionAccelerator, nullptr, kEmulated},
};

}  // namespace

std::span<const Family> Families() { return kFamilies; }

const Family* MatchFamily(const PciFunction& function) {
  const auto family =
      std::ranges::find_if(kFamilies, [&](const Family& each) { return each.matches(function); });
  return family != std::end(kFamilies) ? &*family : nullptr;
}

std::string_view SeenOn(std::string_view family) {
  const auto row = std::ranges::find(kFamilies, family, &Family::name);
  return row != std::end(kFamilies) ? row->seen_on : std::string_view();
}

SettingTable MakeSettings(Host& host) {
  SettingTable table;
    {"smartnic", IsSmartNicFunction, MakeSmartNicAccelerator, AddDevlinkSettings, kSimulated},
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
