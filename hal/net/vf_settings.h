// What the kernel lets a PF's driver set for one virtual function: `ip link set dev PF vf N ...`.
//
// Values only; hal/net/link.h reads and sets them.
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
  std::optional<int> vlan, qos;               // vlan 0: off; up to 4095, priority up to 7
  std::optional<bool> service_vlan;           // 802.1ad instead of 802.1Q
  std::optional<int64_t> min_rate, max_rate;  // Mbit/s, 32 bits; 0: none
  std::optional<bool> spoof_check, trust;
  std::optional<LinkState> link_state;
  bool operator==(const VfSettings&) const = default;

  // "mac=02:11:22:33:44:55 vlan=100 qos=3 proto=802.1Q min_rate=0 max_rate=200 spoofchk=on
  // trust=off link=auto", in this order, without what is not set; "" for none.
  std::string ToString() const;
  // The one spelling of ToString() only, within the limits above. Pure; fuzzed.
  static std::optional<VfSettings> Parse(std::string_view text);

  bool empty() const { return *this == VfSettings(); }
  // Whether everything that is set here is the same in `now`.
  bool HoldsIn(const VfSettings& now) const;
  // Whether everything that is set here has, in `now`, one of the values of `before` and of here,
  // as far as `now` and `before` tell: nobody else has set it. Where the address was the driver's
  // choice, it may be any: the VF's own driver chooses one when it starts.
  bool IsTraceIn(const VfSettings& now, const VfSettings& before) const;
  // The values that the kernel gives a new VF, for what is set here: to go back to.
  VfSettings Defaults() const;
  // Of `now` what is set here, and the default of what it does not tell: what going back needs.
  VfSettings Before(const VfSettings& now) const;
};

// "02:11:22:33:44:55": six octets in lower case.
bool IsMacAddress(std::string_view text);

inline constexpr std::string_view kNoMac = "00:00:00:00:00:00";

}  // namespace drapci::hal
