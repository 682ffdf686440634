#include "hal/net/link_message.h"

#include <fmt/format.h>
#include <linux/if.h>

#include "hal/net/message.h"

namespace drapci::hal {
namespace {

// A text attribute, up to its NUL.
std::string Text(std::span<const std::byte> payload) {
  std::string text(payload.size(), '\0');
  std::ranges::transform(payload, text.begin(), [](std::byte b) { return static_cast<char>(b); });
  return text.substr(0, text.find('\0'));
}

void SetIfUnset(std::string& text, std::string value) {
  if (text.empty()) text = std::move(value);
}

}  // namespace

std::string HardwareAddress(std::span<const std::byte> payload) {
  std::string text;
  for (const std::byte each : payload) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : ":", std::to_integer<unsigned>(each));
  }
  return text;
}

// One attribute of an interface. The first of a kind counts: behind a list of VFs that was too long
// for its attribute lies the rest of that list, which reads like attributes of the interface.
void AddLinkAttribute(uint16_t type, std::span<const std::byte> payload, Link& link) {
  switch (type) {
    case IFLA_IFNAME: SetIfUnset(link.name, Text(payload)); break;
    case IFLA_ADDRESS: SetIfUnset(link.mac, HardwareAddress(payload)); break;
    case IFLA_PARENT_DEV_NAME: SetIfUnset(link.parent, Text(payload)); break;
    case IFLA_MTU:
      if (link.mtu == 0) link.mtu = CopyAt<uint32_t>(payload).value_or(0);
      break;
    default: break;
  }
}

Link LinkOf(const ifinfomsg& fixed) {
  Link link;
  link.index = fixed.ifi_index;
  link.up = (fixed.ifi_flags & IFF_UP) != 0;
  link.carrier = (fixed.ifi_flags & IFF_LOWER_UP) != 0;
  return link;
}

bool IsComplete(const Link& link) { return link.index > 0 && !link.name.empty(); }

NetlinkMessage GetLinkRequest(std::string_view name) {
  return Request(RTM_GETLINK, 0, Interface(0))
      .PutText(IFLA_IFNAME, name)
      .Put(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_SKIP_STATS})
      .Take();
}

NetlinkMessage GetLinkRequest(int index, bool vfs) {
  const uint32_t mask = RTEXT_FILTER_SKIP_STATS | (vfs ? RTEXT_FILTER_VF : 0);
  return Request(RTM_GETLINK, 0, Interface(index)).Put(IFLA_EXT_MASK, mask).Take();
}

NetlinkMessage ListLinksRequest() {
  return Request(RTM_GETLINK, NLM_F_DUMP, Interface(0))
      .Put(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_SKIP_STATS})
      .Take();
}

NetlinkMessage UpRequest(int index, bool up) {
  ifinfomsg link = Interface(index);
  link.ifi_flags = up ? IFF_UP : 0;
  link.ifi_change = IFF_UP;
  return Request(RTM_SETLINK, 0, link).Take();
}

NetlinkMessage MtuRequest(int index, int64_t mtu) {
  return Request(RTM_SETLINK, 0, Interface(index)).Put(IFLA_MTU, static_cast<uint32_t>(mtu)).Take();
}

NetlinkMessage NameRequest(int index, std::string_view name) {
  return Request(RTM_SETLINK, 0, Interface(index)).PutText(IFLA_IFNAME, name).Take();
}

NetlinkMessage MoveRequest(int index, int fd, std::string_view name) {
  return Request(RTM_SETLINK, 0, Interface(index))
      .Put(IFLA_NET_NS_FD, static_cast<uint32_t>(fd))
      .PutText(IFLA_IFNAME, name)
      .Take();
}

NetlinkMessage RemoveAlternativeNameRequest(int index, std::string_view name) {
  Request request(RTM_DELLINKPROP, 0, Interface(index));
  nlattr* list = request.Open(IFLA_PROP_LIST);
  request.PutText(IFLA_ALT_IFNAME, name);
  request.Close(list);
  return request.Take();
}

std::optional<Link> ParseLink(std::span<const std::byte> message) {
  ifinfomsg fixed = {};
  const auto body = Body(message, RTM_NEWLINK, fixed);
  if (!body) return std::nullopt;
  Link link = LinkOf(fixed);
  ForEachAttribute(*body, [&](uint16_t type, std::span<const std::byte> payload) {
    AddLinkAttribute(type, payload, link);
    return true;
  });
  return IsComplete(link) ? std::optional(std::move(link)) : std::nullopt;
}

}  // namespace drapci::hal
