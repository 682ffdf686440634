// The settings of network cards with an embedded switch, by devlink; devlink.sf is in devlink_sf.h.
//
//   devlink.eswitch  target: PF; value: "legacy" or "switchdev". Not changed while the PF has VFs
//   or
//                    sub-functions, which would lose their ports under their users (kBusy).
//   devlink.port     target: VF or sub-function by place ("0000:03:00.0/vf3"), in switchdev mode;
//   value:
//                    PortState ("mac=02:00:00:00:00:07 tx_max=25000000 representor=up"). A wish
//                    names only what it is about. kGone where the switch has no port for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/net/devlink.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr std::string_view kEswitchSetting = "devlink.eswitch";
inline constexpr std::string_view kPortSetting = "devlink.port";

// What is set of the function behind a port of the switch, and of the port itself. What is not set
// is left as it is.
struct PortState {
  std::optional<std::string> mac;            // all zero: the function's own choice
  std::optional<uint64_t> tx_share, tx_max;  // bytes a second; 0: none
  std::optional<bool> up;                    // the representor
  bool operator==(const PortState&) const = default;

  // In this order, one spelling each. Pure; fuzzed.
  std::string ToString() const;
  static std::optional<PortState> Parse(std::string_view text);

  bool HoldsIn(const PortState& now) const;
  // Whether everything that is set here has, in `now`, one of the values of `before` and of here.
  bool IsTraceIn(const PortState& now, const PortState& before) const;
  // The values of a new port, for what is set here.
  PortState Defaults() const;
  // Of `now` what is set here, and the default of what it does not tell.
  PortState Before(const PortState& now) const;
};

// The port that leads to VF `vf` of this host's `pf`; kGone when there is none.
Result<DevlinkPort> PortOfVf(const Devlink& devlink, const PciAddress& pf, int vf);

// Adds these to `table`. `host` must outlive it.
void AddDevlinkSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
