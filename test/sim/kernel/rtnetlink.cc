#include "test/sim/kernel/rtnetlink.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;

constexpr size_t kMacBytes = 6;
// net/core/rtnetlink.c caps the list, so that it fits its attribute; more without statistics.
constexpr size_t kMaxVfs = 128, kMaxVfsWithoutStats = 256;
constexpr uint32_t kUnknown = ~0U;

// --- Putting messages together

void Put(NetlinkMessage& message, const void* data, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  message.insert(message.end(), bytes, bytes + size);
  message.resize(MNL_ALIGN(message.size()));
}

void PutAttribute(NetlinkMessage& message, uint16_t type, const void* data, size_t size) {
  const nlattr header{.nla_len = static_cast<uint16_t>(MNL_ATTR_HDRLEN + size), .nla_type = type};
  Put(message, &header, sizeof header);
  Put(message, data, size);
}

template <class T>
void PutValue(NetlinkMessage& message, uint16_t type, const T& value) {
  PutAttribute(message, type, &value, sizeof value);
}

void PutText(NetlinkMessage& message, uint16_t type, const std::string& text) {
  PutAttribute(message, type, text.c_str(), text.size() + 1);
}

// An attribute with others inside, which `inside` puts.
template <class Inside>
void PutNest(NetlinkMessage& message, uint16_t type, Inside inside) {
  const size_t at = message.size();
  PutAttribute(message, type, nullptr, 0);
  inside();
  const auto length = static_cast<uint16_t>(message.size() - at);
  std::memcpy(message.data() + at, &length, sizeof length);
}

void SetLength(NetlinkMessage& message) {
  const auto length = static_cast<uint32_t>(message.size());
  std::memcpy(message.data(), &length, sizeof length);
}

std::array<uint8_t, kMacBytes> MacOf(const std::string& text) {
  std::array<uint8_t, kMacBytes> bytes{};
  const auto octets = Split(text, ':');
  for (size_t i = 0; i < std::min(kMacBytes, octets.size()); ++i) {
    bytes[i] = ParseHex<uint8_t>(octets[i]).value_or(0);
  }
  return bytes;
}

std::string MacText(const void* data) {
  const auto* byte = static_cast<const uint8_t*>(data);
  return fmt::format("{:02x}", fmt::join(byte, byte + kMacBytes, ":"));
}

// rtnl_fill_vfinfo.
void PutVf(NetlinkMessage& message, unsigned number, const VfNet& vf, bool stats) {
  ifla_vf_mac mac{.vf = number, .mac = {}};
  std::ranges::copy(MacOf(vf.mac), mac.mac);
  ifla_vf_broadcast broadcast{};
  std::fill_n(broadcast.broadcast, kMacBytes, 0xff);
  PutValue(message, IFLA_VF_MAC, mac);
  PutValue(message, IFLA_VF_BROADCAST, broadcast);
  PutValue(message, IFLA_VF_VLAN, ifla_vf_vlan{.vf = number, .vlan = vf.vlan, .qos = vf.qos});
  PutValue(message, IFLA_VF_RATE,
           ifla_vf_rate{.vf = number, .min_tx_rate = vf.min_rate, .max_tx_rate = vf.max_rate});
  PutValue(message, IFLA_VF_TX_RATE, ifla_vf_tx_rate{.vf = number, .rate = vf.max_rate});
  PutValue(message, IFLA_VF_SPOOFCHK,
           ifla_vf_spoofchk{.vf = number, .setting = vf.spoof_check ? 1U : 0U});
  PutValue(message, IFLA_VF_LINK_STATE,
           ifla_vf_link_state{.vf = number, .link_state = vf.link_state});
  PutValue(message, IFLA_VF_RSS_QUERY_EN, ifla_vf_rss_query_en{.vf = number, .setting = kUnknown});
  PutValue(message, IFLA_VF_TRUST, ifla_vf_trust{.vf = number, .setting = vf.trust ? 1U : 0U});
  PutNest(message, IFLA_VF_VLAN_LIST, [&] {
    PutValue(
        message, IFLA_VF_VLAN_INFO,
        ifla_vf_vlan_info{
            .vf = number, .vlan = vf.vlan, .qos = vf.qos, .vlan_proto = htons(vf.vlan_protocol)});
  });
  if (!stats) return;
  PutNest(message, IFLA_VF_STATS, [&] {
    for (uint16_t kind = IFLA_VF_STATS_RX_PACKETS; kind <= IFLA_VF_STATS_MULTICAST; ++kind) {
      PutValue(message, kind, uint64_t{0});
    }
  });
}

// --- Taking requests apart

// The attributes of a nest or message by type; nothing when they do not fill it.
using Attributes = std::vector<const nlattr*>;

Attributes Inside(const void* begin, size_t size) {
  Attributes found;
  const auto* attribute = static_cast<const nlattr*>(begin);
  const char* end = static_cast<const char*>(begin) + size;
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    found.push_back(attribute);
    attribute = mnl_attr_next(attribute);
  }
  return found;
}

Attributes Inside(const nlattr* nest) {
  return Inside(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest));
}

const nlattr* Find(const Attributes& attributes, uint16_t type) {
  const nlattr* found = nullptr;  // the last one counts (nla_parse)
  for (const nlattr* attribute : attributes) {
    if (mnl_attr_get_type(attribute) == type) found = attribute;
  }
  return found;
}

// Parse errors end the parse: remembered until its end.
class Reader {
 public:
  template <class T>
  std::optional<T> Get(const nlattr* attribute) {
    if (attribute == nullptr) return std::nullopt;
    if (mnl_attr_get_payload_len(attribute) < sizeof(T)) {
      refusal_ = {.error = ERANGE, .text = "Attribute failed policy validation"};
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, mnl_attr_get_payload(attribute), sizeof value);
    return value;
  }
  std::optional<std::string> GetText(const nlattr* attribute) {
    if (attribute == nullptr) return std::nullopt;
    const std::string text(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                           mnl_attr_get_payload_len(attribute));
    return text.substr(0, text.find('\0'));
  }
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  std::optional<Refusal> refusal_;
};

// do_setvfinfo: this order, whatever the order in the message.
void ReadVf(Reader& reader, const Attributes& info, std::vector<VfRequest>& to) {
  using Part = VfChange::Part;
  if (auto mac = reader.Get<ifla_vf_mac>(Find(info, IFLA_VF_MAC))) {
    to.push_back({.vf = mac->vf, .change = VfChange{Part::kMac, {.mac = MacText(mac->mac)}}});
  }
  if (auto vlan = reader.Get<ifla_vf_vlan>(Find(info, IFLA_VF_VLAN))) {
    to.push_back(
        {.vf = vlan->vf, .change = VfChange{Part::kVlan, {.vlan = vlan->vlan, .qos = vlan->qos}}});
  }
  if (const nlattr* list = Find(info, IFLA_VF_VLAN_LIST)) {
    for (const nlattr* item : Inside(list)) {
      if (auto vlan = reader.Get<ifla_vf_vlan_info>(item)) {
        VfNet want{.vlan = vlan->vlan, .qos = vlan->qos, .vlan_protocol = ntohs(vlan->vlan_proto)};
        to.push_back({.vf = vlan->vf, .change = VfChange{Part::kVlan, want}});
      }
    }
  }
  if (auto rate = reader.Get<ifla_vf_tx_rate>(Find(info, IFLA_VF_TX_RATE))) {
    to.push_back({.vf = rate->vf,
                  .change = VfChange{Part::kRate, {.max_rate = rate->rate}},
                  .maximum_only = true});
  }
  if (auto rate = reader.Get<ifla_vf_rate>(Find(info, IFLA_VF_RATE))) {
    VfNet want{.min_rate = rate->min_tx_rate, .max_rate = rate->max_tx_rate};
    to.push_back({.vf = rate->vf, .change = VfChange{Part::kRate, want}});
  }
  if (auto check = reader.Get<ifla_vf_spoofchk>(Find(info, IFLA_VF_SPOOFCHK))) {
    VfNet want{.spoof_check = check->setting != 0};
    to.push_back({.vf = check->vf, .change = VfChange{Part::kSpoofCheck, want}});
  }
  if (auto state = reader.Get<ifla_vf_link_state>(Find(info, IFLA_VF_LINK_STATE))) {
    VfNet want{.link_state = state->link_state};
    to.push_back({.vf = state->vf, .change = VfChange{Part::kLinkState, want}});
  }
  if (auto query = reader.Get<ifla_vf_rss_query_en>(Find(info, IFLA_VF_RSS_QUERY_EN))) {
    to.push_back({.vf = query->vf});
  }
  if (auto trust = reader.Get<ifla_vf_trust>(Find(info, IFLA_VF_TRUST))) {
    VfNet want{.trust = trust->setting != 0};
    to.push_back({.vf = trust->vf, .change = VfChange{Part::kTrust, want}});
  }
  for (uint16_t type : {IFLA_VF_IB_NODE_GUID, IFLA_VF_IB_PORT_GUID}) {
    if (auto guid = reader.Get<ifla_vf_guid>(Find(info, type))) to.push_back({.vf = guid->vf});
  }
}

}  // namespace

std::expected<LinkRequest, Refusal> ParseLinkRequest(std::span<const std::byte> request) {
  constexpr size_t kHeaders = MNL_NLMSG_HDRLEN + sizeof(ifinfomsg);
  if (request.size() < kHeaders) return std::unexpected(Refusal{.error = EINVAL});
  ifinfomsg info;
  std::memcpy(&info, request.data() + MNL_NLMSG_HDRLEN, sizeof info);
  const Attributes all = Inside(request.data() + kHeaders, request.size() - kHeaders);
  Reader reader;
  LinkRequest result;
  result.index = info.ifi_index;
  result.filter = reader.Get<uint32_t>(Find(all, IFLA_EXT_MASK)).value_or(0);
  result.name = reader.GetText(Find(all, IFLA_IFNAME)).value_or("");
  if (result.name.empty()) {
    result.name = reader.GetText(Find(all, IFLA_ALT_IFNAME)).value_or("");
  } else if (info.ifi_index > 0) {
    result.change.name = result.name;
  }
  result.change.mtu = reader.Get<uint32_t>(Find(all, IFLA_MTU));
  using MacArray = std::array<uint8_t, kMacBytes>;
  if (auto mac = reader.Get<MacArray>(Find(all, IFLA_ADDRESS))) {
    result.change.mac = MacText(mac->data());
  }
  if ((info.ifi_change & IFF_UP) != 0) result.change.up = (info.ifi_flags & IFF_UP) != 0;
  result.namespace_fd = reader.Get<int>(Find(all, IFLA_NET_NS_FD));
  result.namespace_pid = reader.Get<int>(Find(all, IFLA_NET_NS_PID));
  if (const nlattr* list = Find(all, IFLA_VFINFO_LIST)) {
    result.has_vf_list = true;
    for (const nlattr* vf : Inside(list)) ReadVf(reader, Inside(vf), result.vfs);
  }
  if (reader.refusal()) return std::unexpected(*reader.refusal());
  return result;
}

std::optional<Interface> FindLink(const Kernel& kernel, uint64_t name_space,
                                  const LinkRequest& request) {
  for (Interface& net : kernel.Interfaces()) {
    if (net.name_space != name_space) continue;
    if (request.index > 0 ? net.index == request.index : net.name == request.name) {
      return std::move(net);
    }
  }
  return std::nullopt;
}

std::expected<void, Refusal> SetVfs(Kernel& kernel, const PciAddress& pf,
                                    const std::vector<VfRequest>& requests) {
  for (const VfRequest& request : requests) {
    if (!request.change) return std::unexpected(Refusal{.error = EOPNOTSUPP});
    if (request.vf >= INT_MAX) return std::unexpected(Refusal{.error = EINVAL});
    VfChange change = *request.change;
    if (request.maximum_only) {
      const auto now = kernel.VfSettings(pf);
      if (now && request.vf < now->size()) change.to.min_rate = (*now)[request.vf].min_rate;
    }
    if (int error = kernel.SetVf(pf, request.vf, change)) {
      return std::unexpected(Refusal{.error = error});
    }
  }
  return {};
}

NetlinkMessage WithoutVfs(std::span<const std::byte> request) {
  constexpr size_t kHeaders = MNL_NLMSG_HDRLEN + sizeof(ifinfomsg);
  NetlinkMessage message(request.begin(), request.begin() + kHeaders);
  for (const nlattr* attribute : Inside(request.data() + kHeaders, request.size() - kHeaders)) {
    if (mnl_attr_get_type(attribute) == IFLA_VFINFO_LIST) continue;
    Put(message, attribute, attribute->nla_len);
  }
  SetLength(message);
  return message;
}

NetlinkMessage LinkMessage(const Interface& net, uint16_t flags) {
  NetlinkMessage message;
  nlmsghdr header{};
  header.nlmsg_type = RTM_NEWLINK;
  header.nlmsg_flags = flags;
  ifinfomsg info{};
  info.ifi_type = ARPHRD_ETHER;
  info.ifi_index = net.index;
  info.ifi_flags = IFF_BROADCAST | IFF_MULTICAST;
  if (net.up) info.ifi_flags |= IFF_UP;
  if (net.up && net.carrier) info.ifi_flags |= IFF_RUNNING | IFF_LOWER_UP;
  Put(message, &header, sizeof header);
  Put(message, &info, sizeof info);
  PutText(message, IFLA_IFNAME, net.name);
  PutValue(message, IFLA_MTU, static_cast<uint32_t>(net.mtu));
  constexpr uint8_t kDown = 2, kUp = 6;  // IF_OPER_*
  PutValue(message, IFLA_OPERSTATE, net.up && net.carrier ? kUp : kDown);
  PutValue(message, IFLA_CARRIER, static_cast<uint8_t>(net.up && net.carrier));
  PutValue(message, IFLA_ADDRESS, MacOf(net.mac));
  PutValue(message, IFLA_BROADCAST, MacOf("ff:ff:ff:ff:ff:ff"));
  SetLength(message);
  return message;
}

void AddParentAndVfs(const Kernel& kernel, const Interface& net, uint32_t filter,
                     NetlinkMessage& message) {
  if ((filter & RTEXT_FILTER_VF) != 0) {
    const auto vfs = kernel.VfSettings(net.function);
    const bool stats = (filter & RTEXT_FILTER_SKIP_STATS) == 0;
    PutValue(message, IFLA_NUM_VF, vfs ? static_cast<uint32_t>(vfs->size()) : 0U);
    if (vfs) {
      const size_t count = std::min(vfs->size(), stats ? kMaxVfs : kMaxVfsWithoutStats);
      PutNest(message, IFLA_VFINFO_LIST, [&] {
        for (unsigned i = 0; i < count; ++i) {
          PutNest(message, IFLA_VF_INFO, [&] { PutVf(message, i, (*vfs)[i], stats); });
        }
      });
    }
  }
  const bool own = net.below.empty();  // else a sub-function's
  PutText(message, IFLA_PARENT_DEV_NAME, own ? net.function.ToString() : net.below);
  PutText(message, IFLA_PARENT_DEV_BUS_NAME, own ? "pci" : "auxiliary");
  SetLength(message);
}

NetlinkMessage ErrorMessage(std::span<const std::byte> request, const Refusal& refusal) {
  nlmsghdr about{};
  std::memcpy(&about, request.data(), std::min(sizeof about, request.size()));
  nlmsghdr header{};
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_flags = NLM_F_CAPPED;
  if (!refusal.text.empty()) header.nlmsg_flags |= NLM_F_ACK_TLVS;
  header.nlmsg_seq = about.nlmsg_seq;
  header.nlmsg_pid = about.nlmsg_pid;
  const nlmsgerr body{.error = -refusal.error, .msg = about};
  NetlinkMessage message;
  Put(message, &header, sizeof header);
  Put(message, &body, sizeof body);
  if (!refusal.text.empty()) PutText(message, NLMSGERR_ATTR_MSG, refusal.text);
  SetLength(message);
  return message;
}

}  // namespace drapci::sim
