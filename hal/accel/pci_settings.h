// The settings that every PCI family shares.
//
//   pci.driver  target: function ("0000:02:00.0") or VF by placement ("0000:02:00.0/vf3")
//               value: "none", "igb", or "vfio-pci override=vfio-pci"; as a wish also "kernel":
//               whatever driver the kernel chooses, as long as it is not a vfio driver
//   sriov.vfs   target: PF; value: "vfs=7 autoprobe=1"
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/pci/address.h"
#include "hal/pci/driver_binding.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {

inline constexpr std::string_view kDriverSetting = "pci.driver";
inline constexpr std::string_view kSriovSetting = "sriov.vfs";

inline constexpr std::string_view kKernelDriver = "kernel";  // the wish of pci.driver

// Every binding that can be read has a text, and the text means that binding again. "kernel" is a
// wish and no binding. Pure; fuzzed.
std::string FormatBinding(const DriverBinding& binding);
std::optional<DriverBinding> ParseBinding(std::string_view value);
std::string FormatSriov(const SriovState& state);
std::optional<SriovState> ParseSriov(std::string_view value);

// "vf3"
std::string VfName(int index);
// The index in "vf3"; one spelling for each, no more than PCI Express allows (65535).
std::optional<int> ParseVfName(std::string_view name);

// "0000:02:00.0" or "0000:02:00.0/vf3": a function named by its place. Only the spelling of
// ToString() is accepted, since targets are compared as texts.
struct FunctionPlace {
  PciAddress pf;
  std::optional<int> vf;
  static std::optional<FunctionPlace> Parse(std::string_view text);
  std::string ToString() const;
  // The function there now; kGone when it does not exist.
  Result<PciAddress> Find(const Sysfs& sysfs) const;
};

// Adds both settings to `table`. `host` must outlive it.
void AddPciSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
