// Sub-functions of network cards (SF), by devlink.
//
//   devlink.sf  target: sub-function by place ("0000:03:00.0/sf3", whose number is
//               kFirstSfNumber + 3); value: SfState: "none", "active", "active
//               mac=02:00:00:00:00:07". A wish without an address leaves it to the sub-function.
//               Apply "active" returns when a driver has it and its network interface is there;
//               "none" when it is gone, for which nobody may have its device nodes open.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/net/devlink.h"
#include "hal/pci/device_place.h"

namespace drapci::hal {

inline constexpr std::string_view kSfSetting = "devlink.sf";

struct SfState {
  enum class Stage {
    kNone,
    kInactive,
    kAttaching,  // active, and its driver has not got it yet
    kActive,
  };
  Stage stage = Stage::kNone;
  std::optional<std::string> mac;
  bool operator==(const SfState&) const = default;

  // "none", "inactive", "attaching", "active mac=02:00:00:00:00:07". One spelling each. Pure.
  std::string ToString() const;
  static std::optional<SfState> Parse(std::string_view text);
};

// The port of the switch that leads to the sub-function at `place`; kGone when there is none.
Result<DevlinkPort> PortOfSf(const Devlink& devlink, const DevicePlace& place);
// The number of a sub-function of this host's `pf`; empty: the port leads to something else.
std::optional<uint32_t> SfNumberOf(const DevlinkPort& port, const PciAddress& pf);

// kBusy, naming the users, while somebody has its device nodes open.
Result<> CheckSfUnused(const Sysfs& sysfs, const DevicePlace& place);

// Adds it to `table`. `host` must outlive it.
void AddSfSetting(Host& host, SettingTable& table);

}  // namespace drapci::hal
