// The part of the messages that is about virtual functions.
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>

#include "hal/base/parse.h"
#include "hal/net/link_message.h"
#include "hal/net/message.h"

namespace drapci::hal {
namespace {

constexpr uint32_t kUnknown = 0xffffffff;  // how the kernel dumps what a driver has not filled in
constexpr size_t kEthernetLength = 6;

// IFLA_VFINFO_LIST { IFLA_VF_INFO { ... } }
template <class Put>
NetlinkMessage VfRequest(int index, Put put) {
  Request request(RTM_SETLINK, 0, Interface(index));
  nlattr* list = request.Open(IFLA_VFINFO_LIST);
  nlattr* info = request.Open(IFLA_VF_INFO);
  put(request);
  request.Close(info);
  request.Close(list);
  return request.Take();
}

template <class T>
NetlinkMessage VfRequest(int index, uint16_t type, const T& value) {
  return VfRequest(index, [&](Request& request) { request.Put(type, value); });
}

uint32_t Number(int64_t value) { return static_cast<uint32_t>(value); }

std::optional<bool> Switch(uint32_t setting) {
  return setting == kUnknown ? std::nullopt : std::optional(setting != 0);
}

void AddVlan(uint32_t vlan, uint32_t qos, VfSettings& settings) {
  if (vlan < 4096) settings.vlan = static_cast<int>(vlan);
  if (qos < 8) settings.qos = static_cast<int>(qos);
}

// One attribute of a VF. VLAN and TX_RATE come from every kernel, VLAN_LIST and RATE say more.
void AddVfAttribute(uint16_t type, std::span<const std::byte> payload, VfSettings& settings) {
  if (type == IFLA_VF_VLAN_LIST) {
    ForEachAttribute(payload, [&](uint16_t, std::span<const std::byte> entry) {
      const auto vlan = CopyAt<ifla_vf_vlan_info>(entry);
      if (vlan) AddVlan(vlan->vlan, vlan->qos, settings);
      if (vlan) settings.service_vlan = ntohs(vlan->vlan_proto) == ETH_P_8021AD;
      return false;
    });
    return;
  }
  if (type == IFLA_VF_VLAN) {
    const auto vlan = CopyAt<ifla_vf_vlan>(payload);
    if (vlan && !settings.vlan) AddVlan(vlan->vlan, vlan->qos, settings);
    return;
  }
  if (type == IFLA_VF_RATE) {
    const auto rate = CopyAt<ifla_vf_rate>(payload);
    if (rate) settings.min_rate = rate->min_tx_rate;
    if (rate) settings.max_rate = rate->max_tx_rate;
    return;
  }
  // The others are one number.
  const auto value = CopyAt<uint32_t>(payload, sizeof(uint32_t));
  if (!value) return;
  switch (type) {
    case IFLA_VF_TX_RATE:
      if (!settings.max_rate) settings.max_rate = *value;
      break;
    case IFLA_VF_SPOOFCHK: settings.spoof_check = Switch(*value); break;
    case IFLA_VF_TRUST: settings.trust = Switch(*value); break;
    case IFLA_VF_LINK_STATE:
      if (*value <= IFLA_VF_LINK_STATE_DISABLE) {
        settings.link_state = static_cast<VfSettings::LinkState>(*value);
      }
      break;
    default: break;
  }
}

// IFLA_VF_INFO; false when it is about another VF. Each attribute of it but the nested ones begins
// with the number of the VF, and the kernel puts IFLA_VF_MAC first.
bool AddVf(std::span<const std::byte> info, int vf, bool ethernet, VfSettings& settings) {
  if (CopyAt<uint32_t>(info, MNL_ATTR_HDRLEN) != Number(vf)) return false;
  ForEachAttribute(info, [&](uint16_t type, std::span<const std::byte> payload) {
    if (type != IFLA_VF_MAC) {
      AddVfAttribute(type, payload, settings);
    } else if (ethernet && payload.size() >= sizeof(uint32_t) + kEthernetLength) {
      settings.mac = HardwareAddress(payload.subspan(sizeof(uint32_t), kEthernetLength));
    }
    return true;
  });
  return true;
}

}  // namespace

NetlinkMessage VfMacRequest(int index, int vf, std::string_view mac) {
  ifla_vf_mac value = {};
  value.vf = Number(vf);
  for (size_t i = 0; i < kEthernetLength && mac.size() >= 3 * i + 2; ++i) {
    value.mac[i] = ParseInt<uint8_t>(mac.substr(3 * i, 2), 16).value_or(0);
  }
  return VfRequest(index, IFLA_VF_MAC, value);
}

NetlinkMessage VfVlanRequest(int index, int vf, int vlan, int qos, bool service) {
  if (!service) {
    return VfRequest(index, IFLA_VF_VLAN,
                     ifla_vf_vlan{.vf = Number(vf), .vlan = Number(vlan), .qos = Number(qos)});
  }
  ifla_vf_vlan_info value = {};
  value.vf = Number(vf);
  value.vlan = Number(vlan);
  value.qos = Number(qos);
  value.vlan_proto = htons(ETH_P_8021AD);
  return VfRequest(index, [&](Request& request) {
    nlattr* list = request.Open(IFLA_VF_VLAN_LIST);
    request.Put(IFLA_VF_VLAN_INFO, value);
    request.Close(list);
  });
}

NetlinkMessage VfRateRequest(int index, int vf, int64_t min, int64_t max) {
  return VfRequest(
      index, IFLA_VF_RATE,
      ifla_vf_rate{.vf = Number(vf), .min_tx_rate = Number(min), .max_tx_rate = Number(max)});
}

NetlinkMessage VfMaxRateRequest(int index, int vf, int64_t max) {
  return VfRequest(index, IFLA_VF_TX_RATE, ifla_vf_tx_rate{.vf = Number(vf), .rate = Number(max)});
}

NetlinkMessage VfSpoofCheckRequest(int index, int vf, bool on) {
  return VfRequest(index, IFLA_VF_SPOOFCHK,
                   ifla_vf_spoofchk{.vf = Number(vf), .setting = on ? 1U : 0U});
}

NetlinkMessage VfTrustRequest(int index, int vf, bool on) {
  return VfRequest(index, IFLA_VF_TRUST, ifla_vf_trust{.vf = Number(vf), .setting = on ? 1U : 0U});
}

NetlinkMessage VfLinkStateRequest(int index, int vf, VfSettings::LinkState state) {
  return VfRequest(
      index, IFLA_VF_LINK_STATE,
      ifla_vf_link_state{.vf = Number(vf), .link_state = static_cast<uint32_t>(state)});
}

std::optional<VfAnswer> ParseVf(std::span<const std::byte> message, int vf) {
  ifinfomsg fixed = {};
  const auto body = Body(message, RTM_NEWLINK, fixed);
  if (!body) return std::nullopt;
  VfAnswer answer;
  answer.link = LinkOf(fixed);
  ForEachAttribute(*body, [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == IFLA_NUM_VF && !answer.vfs) {
      answer.vfs = static_cast<int>(std::min(CopyAt<uint32_t>(payload).value_or(0), 65535U));
    }
    if (type != IFLA_VFINFO_LIST || answer.lists_vfs) {
      AddLinkAttribute(type, payload, answer.link);
      return true;
    }
    answer.lists_vfs = true;
    ForEachAttribute(payload, [&](uint16_t, std::span<const std::byte> info) {
      return !AddVf(info, vf, fixed.ifi_type == ARPHRD_ETHER, answer.settings);
    });
    return true;
  });
  return IsComplete(answer.link) ? std::optional(std::move(answer)) : std::nullopt;
}

}  // namespace drapci::hal
