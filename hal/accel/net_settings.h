// The settings of network functions.
//
//   net.vf         target: VF by place ("0000:02:00.0/vf3"); value: VfSettings ("vlan=100
//                  max_rate=200"). A wish names only what it is about; a value found names what the
//                  driver tells. kUnsupported when the PF has no interface, or its driver tells
//                  nothing. What a driver takes but does not tell cannot be seen to hold. A rate
//                  waits for the carrier of a PF that is up.
//   net.up         target: PF; value: "up" or "down". Most drivers take VF settings only while the
//                  PF is up; Apply "up" waits for the carrier too, for a while, since a rate needs
//                  a link speed.
//   net.interface  target: function or sub-function by place; value: "name=enp2s0v3 mtu=1500",
//   "away" (it is in
//                  another network namespace) or "none" (it has none); as a wish "mtu=9000" or
//                  "any". Going back to a value brings the interface home, under its old name, from
//                  whatever namespace it is in. Where another interface has taken that name, it
//                  comes home under another one, and Apply says so (kConflict). There is no way
//                  back to "none" and "away", and everything satisfies them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/os/network_namespaces.h"

namespace drapci::hal {

inline constexpr std::string_view kVfSetting = "net.vf";
inline constexpr std::string_view kUpSetting = "net.up";
inline constexpr std::string_view kInterfaceSetting = "net.interface";

inline constexpr std::string_view kAnyInterface = "any", kNoInterface = "none",
                                  kAwayInterface = "away";

// "name=enp2s0v3 mtu=1500", "mtu=9000". One spelling each. Pure; fuzzed.
struct InterfaceState {
  std::string name;  // empty in a wish: whatever it is
  std::optional<int64_t> mtu;
  std::string ToString() const;
  static std::optional<InterfaceState> Parse(std::string_view text);
  bool operator==(const InterfaceState&) const = default;
};

// Adds the three to `table`. `host` must outlive it.
void AddNetSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
