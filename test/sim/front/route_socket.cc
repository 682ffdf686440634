#include "test/sim/front/route_socket.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace drapci::sim {

using hal::NetlinkMessage;

void RouteRequest::Append(const void* data, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  message_.insert(message_.end(), bytes, bytes + size);
  message_.resize(MNL_ALIGN(message_.size()));
  const auto length = static_cast<uint32_t>(message_.size());
  if (message_.size() >= sizeof length) std::memcpy(message_.data(), &length, sizeof length);
}

RouteRequest::RouteRequest(uint16_t type, uint16_t flags, int index, unsigned link_flags,
                           unsigned link_change) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
  ifinfomsg info{};
  info.ifi_index = index;
  info.ifi_flags = link_flags;
  info.ifi_change = link_change;
  Append(&header, sizeof header);
  Append(&info, sizeof info);
}

RouteRequest RouteRequest::OfNamespaces(uint16_t type) {
  RouteRequest request;
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  const rtgenmsg any{.rtgen_family = AF_UNSPEC};
  request.Append(&header, sizeof header);
  request.Append(&any, sizeof any);
  return request;
}

void RouteRequest::Put(uint16_t type, const void* data, size_t size) {
  const nlattr header{.nla_len = static_cast<uint16_t>(MNL_ATTR_HDRLEN + size), .nla_type = type};
  Append(&header, sizeof header);
  Append(data, size);
}

void RouteRequest::PutLinkHeader(int index, unsigned link_flags) {
  ifinfomsg info{};
  info.ifi_index = index;
  info.ifi_flags = link_flags;
  info.ifi_change = link_flags;
  Append(&info, sizeof info);
}

size_t RouteRequest::Begin(uint16_t type) {
  const size_t at = message_.size();
  Put(type, nullptr, 0);
  return at;
}

void RouteRequest::End(size_t nest) {
  const auto length = static_cast<uint16_t>(message_.size() - nest);
  std::memcpy(message_.data() + nest, &length, sizeof length);
}

Result<RouteSocket> RouteSocket::Open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  socklen_t length = sizeof address;
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return Fail(Error::FromErrno(errno, "open a NETLINK_ROUTE socket"));
  }
  const int on = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return RouteSocket(std::move(fd), address.nl_pid);
}

Result<std::vector<NetlinkMessage>> RouteSocket::Talk(const RouteRequest& request) {
  NetlinkMessage message = request.message();
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof header);
  header.nlmsg_seq = ++sequence_;
  std::memcpy(message.data(), &header, sizeof header);
  if (send(fd_.get(), message.data(), message.size(), 0) < 0) {
    return Fail(Error::FromErrno(errno, "send to NETLINK_ROUTE"));
  }
  hal::NetlinkReply reply(sequence_, port_);
  std::vector<std::byte> buffer(size_t{64} << 10);
  while (true) {
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(Error::FromErrno(errno, "receive from NETLINK_ROUTE"));
    DRAPCI_TRY(const bool done, reply.Add(std::span(buffer).first(static_cast<size_t>(got))));
    if (done) return reply.TakeMessages();
  }
}

std::optional<LinkNews> ReadLinkNews(std::span<const std::byte> message) {
  constexpr size_t kHeaders = MNL_NLMSG_HDRLEN + sizeof(ifinfomsg);
  if (message.size() < kHeaders) return std::nullopt;
  nlmsghdr header;
  ifinfomsg info;
  std::memcpy(&header, message.data(), sizeof header);
  std::memcpy(&info, message.data() + MNL_NLMSG_HDRLEN, sizeof info);
  if (header.nlmsg_type != RTM_NEWLINK && header.nlmsg_type != RTM_DELLINK) return std::nullopt;
  // AF_BRIDGE and others tell of ports and devices' parts.
  if (info.ifi_family != AF_UNSPEC) return std::nullopt;
  LinkNews news{.type = header.nlmsg_type,
                .index = info.ifi_index,
                .flags = info.ifi_flags,
                .name = {},
                .mac = {},
                .peer_namespace = {}};
  const auto* attribute = reinterpret_cast<const nlattr*>(message.data() + kHeaders);
  const char* end = reinterpret_cast<const char*>(message.data() + message.size());
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    const size_t size = mnl_attr_get_payload_len(attribute);
    const void* data = mnl_attr_get_payload(attribute);
    switch (mnl_attr_get_type(attribute)) {
      case IFLA_IFNAME:
        news.name.assign(static_cast<const char*>(data),
                         strnlen(static_cast<const char*>(data), size));
        break;
      case IFLA_MTU: news.mtu = mnl_attr_get_u32(attribute); break;
      case IFLA_LINK: news.peer = static_cast<int>(mnl_attr_get_u32(attribute)); break;
      case IFLA_LINK_NETNSID:
        news.peer_namespace = static_cast<int>(mnl_attr_get_u32(attribute));
        break;
      case IFLA_ADDRESS: {
        const auto* bytes = static_cast<const uint8_t*>(data);
        news.mac = fmt::format("{:02x}", fmt::join(bytes, bytes + size, ":"));
        break;
      }
      default: break;
    }
    attribute = mnl_attr_next(attribute);
  }
  return news;
}

}  // namespace drapci::sim
