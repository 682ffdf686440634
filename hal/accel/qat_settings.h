// The setting of the family "qat".
//
//   qat.services  target: PF ("0000:6b:00.0")
//                 value: whether it is up, and its services: "up sym;asym", "down dc", "up"
//
// Documentation/ABI/testing/sysfs-driver-qat: qat/cfg_services can be written only while qat/state
// is "down", and the state only while nothing uses the device. As a wish, no services mean those
// that there are. The order of services has no meaning: newer kernels print their own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr std::string_view kQatSetting = "qat.services";

struct QatState {
  bool up = true;
  std::string services;  // empty: unknown, or any
  bool operator==(const QatState&) const = default;
};

std::string FormatQat(const QatState& state);
std::optional<QatState> ParseQat(std::string_view text);
// Whether both texts name the same services: "sym;asym" and "asym;sym" do.
bool SameServices(std::string_view one, std::string_view other);

// kGone when the function is not there, kUnsupported when its driver has no such state (it is
// older, or for older hardware).
Result<QatState> ReadQat(const Sysfs& sysfs, const PciAddress& pf);

// Adds it to `table`. `host` must outlive it.
void AddQatSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
