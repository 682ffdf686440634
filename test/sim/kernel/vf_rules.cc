// What drivers let rtnetlink set for VFs (drivers/net/ethernet/intel/{igb,ice}).
#include <fmt/format.h>

#include <cerrno>

#include "hal/base/parse.h"
#include "test/sim/kernel/net.h"

namespace drapci::sim {
namespace {

constexpr unsigned kMaxVlan = 4095, kMaxPriority = 7;
constexpr uint16_t kCustomerVlan = 0x8100, kServiceVlan = 0x88a8;  // linux/if_ether.h

struct Abilities {
  unsigned speed;  // Mbit/s
  bool min_rate, link_state, service_vlan;
};

Abilities Of(VfRules rules) {
  if (rules == VfRules::kIce) {
    return {.speed = 25'000, .min_rate = true, .link_state = true, .service_vlan = true};
  }
  return {.speed = 1000, .min_rate = false, .link_state = false, .service_vlan = false};
}

bool IsMulticast(const std::string& mac) {
  return (ParseHex<uint8_t>(mac.substr(0, 2)).value_or(1) & 1) != 0;
}

int CheckRate(const Abilities& driver, const VfNet& to, bool carrier) {
  if (to.max_rate != 0 && to.min_rate > to.max_rate) return EINVAL;
  if (to.min_rate != 0 && !driver.min_rate) return EINVAL;
  if (!carrier) return EINVAL;  // no speed to compare with
  return to.min_rate > driver.speed || to.max_rate > driver.speed ? EINVAL : 0;
}

}  // namespace

const char* NameOf(VfChange::Part part) {
  switch (part) {
    case VfChange::Part::kMac: return "mac";
    case VfChange::Part::kVlan: return "vlan";
    case VfChange::Part::kRate: return "rate";
    case VfChange::Part::kSpoofCheck: return "spoofchk";
    case VfChange::Part::kLinkState: return "state";
    case VfChange::Part::kTrust: return "trust";
  }
  return "";
}

int CheckVfChange(VfRules rules, const VfChange& change, bool carrier) {
  const Abilities driver = Of(rules);
  const VfNet& to = change.to;
  switch (change.part) {
    case VfChange::Part::kMac: return IsMulticast(to.mac) ? EINVAL : 0;
    case VfChange::Part::kVlan:
      if (to.vlan > kMaxVlan || to.qos > kMaxPriority) return EINVAL;
      if (to.vlan_protocol == kCustomerVlan) return 0;
      return to.vlan_protocol == kServiceVlan && driver.service_vlan ? 0 : EPROTONOSUPPORT;
    case VfChange::Part::kRate: return CheckRate(driver, to, carrier);
    case VfChange::Part::kLinkState:
      if (!driver.link_state) return EOPNOTSUPP;
      return to.link_state > 2 ? EINVAL : 0;
    case VfChange::Part::kSpoofCheck:
    case VfChange::Part::kTrust: return 0;
  }
  return EOPNOTSUPP;
}

void ApplyVfChange(const VfChange& change, VfNet& vf) {
  const VfNet& to = change.to;
  switch (change.part) {
    case VfChange::Part::kMac: vf.mac = to.mac; break;
    case VfChange::Part::kVlan:
      vf.vlan = to.vlan;
      vf.qos = to.qos;
      vf.vlan_protocol = to.vlan_protocol;
      break;
    case VfChange::Part::kRate:
      vf.min_rate = to.min_rate;
      vf.max_rate = to.max_rate;
      break;
    case VfChange::Part::kSpoofCheck: vf.spoof_check = to.spoof_check; break;
    case VfChange::Part::kLinkState: vf.link_state = to.link_state; break;
    case VfChange::Part::kTrust: vf.trust = to.trust; break;
  }
}

std::string ShowVf(unsigned number, const VfNet& vf) {
  // iproute2 ip/ipaddress.c print_vfinfo.
  std::string text =
      fmt::format("    vf {}     link/ether {} brd ff:ff:ff:ff:ff:ff", number, vf.mac);
  if (vf.vlan != 0) text += fmt::format(", vlan {}", vf.vlan);
  if (vf.qos != 0) text += fmt::format(", qos {}", vf.qos);
  if (vf.vlan_protocol == kServiceVlan) text += ", vlan protocol 802.1ad";
  if (vf.max_rate != 0) {
    text += fmt::format(", tx rate {0} (Mbps), max_tx_rate {0}Mbps", vf.max_rate);
  }
  if (vf.min_rate != 0) text += fmt::format(", min_tx_rate {}Mbps", vf.min_rate);
  constexpr const char* kStates[] = {"auto", "enable", "disable"};
  return text + fmt::format(", spoof checking {}, link-state {}, trust {}\n",
                            vf.spoof_check ? "on" : "off", kStates[vf.link_state % 3],
                            vf.trust ? "on" : "off");
}

}  // namespace drapci::sim
