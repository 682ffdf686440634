// What the kernel lets a PF's driver set for one virtual function: `ip link set dev PF vf N ...`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drapci::hal {

// IFLA_VFINFO_LIST, include/uapi/linux/if_link.h. What is not set is left as it is; a driver may
// not tell all.
struct VfSettings {
  enum class LinkState { kAuto, kEnable, kDisable };
  std::optional<std::string> mac;             // "02:11:22:33:44:55"; all zero: the driver's choice
  std::optional<int> vlan, qos;               // vlan 0: off
  std::optional<bool> service_vlan;           // 802.1ad instead of 802.1Q
  std::optional<int64_t> min_rate, max_rate;  // Mbit/s; 0: none
  std::optional<bool> spoof_check, trust;
  std::optional<LinkState> link_state;
  bool operator==(const VfSettings&) const = default;

  // "mac=02:11:22:33:44:55 vlan=100 qos=3 max_rate=200 spoofchk=on trust=off link=auto"; "" for
  // none.
  std::string ToString() const;
  // The one spelling of ToString() only. Pure; fuzzed.
  static std::optional<VfSettings> Parse(std::string_view text);

  // Whether everything that is set here is the same in `now`.
  bool HoldsIn(const VfSettings& now) const;
  // The values that the kernel gives a new VF, for what is set here: to go back to.
  VfSettings Defaults() const;
};

// "02:11:22:33:44:55": six octets in lower case.
bool IsMacAddress(std::string_view text);

}  // namespace drapci::hal
