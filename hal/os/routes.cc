// Which interfaces carry a default route (include/uapi/linux/rtnetlink.h).
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "hal/os/netlink.h"

namespace drapci::hal {
namespace {

template <class T>
std::optional<T> CopyAt(std::span<const std::byte> bytes, size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

size_t Aligned(size_t length) { return (length + 3) & ~size_t{3}; }

// Calls `visit(type, payload)` for each attribute; stops at the first that does not fit.
template <class Visit>
void ForEachAttribute(std::span<const std::byte> bytes, Visit visit) {
  while (auto header = CopyAt<rtattr>(bytes, 0)) {
    if (header->rta_len < sizeof(rtattr) || header->rta_len > bytes.size()) return;
    visit(header->rta_type & NLA_TYPE_MASK,
          bytes.subspan(sizeof(rtattr), header->rta_len - sizeof(rtattr)));
    bytes = bytes.subspan(std::min(Aligned(header->rta_len), bytes.size()));
  }
}

void AddMultipath(std::span<const std::byte> bytes, std::vector<int>& interfaces) {
  while (auto hop = CopyAt<rtnexthop>(bytes, 0)) {
    if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > bytes.size()) return;
    if (hop->rtnh_ifindex > 0) interfaces.push_back(hop->rtnh_ifindex);
    bytes = bytes.subspan(std::min(Aligned(hop->rtnh_len), bytes.size()));
  }
}

// What follows the fixed part of a message of `type`, and that part; nothing for another message.
template <class Fixed>
std::optional<std::span<const std::byte>> Body(const NetlinkMessage& message, uint16_t type,
                                               Fixed& fixed) {
  const auto header = CopyAt<nlmsghdr>(message, 0);
  const auto part = CopyAt<Fixed>(message, sizeof(nlmsghdr));
  if (!header || !part || header->nlmsg_type != type) return std::nullopt;
  fixed = *part;
  const size_t start = std::min(sizeof(nlmsghdr) + Aligned(sizeof(Fixed)), message.size());
  return std::span<const std::byte>(message).subspan(start);
}

bool IsDefault(const rtmsg& route) {
  return route.rtm_dst_len == 0 && route.rtm_type == RTN_UNICAST;
}

std::vector<int> SortedUnique(std::vector<int> values) {
  std::ranges::sort(values);
  const auto rest = std::ranges::unique(values);
  values.erase(rest.begin(), rest.end());
  return values;
}

template <class Fixed>
NetlinkMessage DumpRequest(uint16_t type, const Fixed& fixed) {
  nlmsghdr header = {};
  header.nlmsg_len = sizeof header + Aligned(sizeof fixed);
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  NetlinkMessage request(header.nlmsg_len);
  std::memcpy(request.data(), &header, sizeof header);
  std::memcpy(request.data() + sizeof header, &fixed, sizeof fixed);
  return request;
}

}  // namespace

std::vector<int> ParseDefaultRoutes(std::span<const NetlinkMessage> replies) {
  std::vector<int> interfaces;
  for (const NetlinkMessage& message : replies) {
    rtmsg route = {};
    const auto body = Body(message, RTM_NEWROUTE, route);
    if (!body || !IsDefault(route)) continue;
    ForEachAttribute(*body, [&](int type, std::span<const std::byte> payload) {
      if (type == RTA_OIF) {
        const int index = CopyAt<int>(payload, 0).value_or(0);
        if (index > 0) interfaces.push_back(index);
      } else if (type == RTA_MULTIPATH) {
        AddMultipath(payload, interfaces);
      }
    });
  }
  return SortedUnique(std::move(interfaces));
}

bool UseNextHopObjects(std::span<const NetlinkMessage> replies) {
  bool used = false;
  for (const NetlinkMessage& message : replies) {
    rtmsg route = {};
    const auto body = Body(message, RTM_NEWROUTE, route);
    if (!body || !IsDefault(route)) continue;
    ForEachAttribute(*body, [&](int type, std::span<const std::byte>) {
      if (type == RTA_NH_ID) used = true;
    });
  }
  return used;
}

std::vector<int> ParseNextHops(std::span<const NetlinkMessage> replies) {
  std::vector<int> interfaces;
  for (const NetlinkMessage& message : replies) {
    nhmsg hop = {};
    const auto body = Body(message, RTM_NEWNEXTHOP, hop);
    if (!body) continue;
    ForEachAttribute(*body, [&](int type, std::span<const std::byte> payload) {
      if (type != NHA_OIF) return;
      const int index = CopyAt<int>(payload, 0).value_or(0);
      if (index > 0) interfaces.push_back(index);
    });
  }
  return SortedUnique(std::move(interfaces));
}

Result<std::vector<int>> DefaultRouteInterfaces(Netlink& netlink) {
  std::vector<NetlinkMessage> routes;
  for (const unsigned char family : {AF_INET, AF_INET6}) {
    rtmsg wanted = {};
    wanted.rtm_family = family;
    Result<std::vector<NetlinkMessage>> dump =
        netlink.Talk(NETLINK_ROUTE, DumpRequest(RTM_GETROUTE, wanted));
    if (!dump) {
      // A kernel without the family has no routes of it.
      if (dump.error().sys == EOPNOTSUPP || dump.error().sys == EAFNOSUPPORT) continue;
      return Fail(std::move(dump).error().Within("list the routes"));
    }
    std::ranges::move(*dump, std::back_inserter(routes));
  }
  std::vector<int> interfaces = ParseDefaultRoutes(routes);
  if (UseNextHopObjects(routes)) {
    // With net.ipv4.nexthop_compat_mode=0 a route names only its object. Which one does not matter
    // here: taking all of them errs on the safe side.
    Result<std::vector<NetlinkMessage>> hops =
        netlink.Talk(NETLINK_ROUTE, DumpRequest(RTM_GETNEXTHOP, nhmsg{}));
    if (!hops) return Fail(std::move(hops).error().Within("list the next hops"));
    std::ranges::copy(ParseNextHops(*hops), std::back_inserter(interfaces));
  }
  return SortedUnique(std::move(interfaces));
}

}  // namespace drapci::hal
