// Netlink request and answer: one message out, all messages of the reply back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hal/base/result.h"

namespace drapci::hal {

// One message of a reply: the bytes from its nlmsghdr on.
using NetlinkMessage = std::vector<std::byte>;

// Any thread; every call uses a socket of its own.
class Netlink {
 public:
  virtual ~Netlink() = default;

  // Sends `request` (an nlmsghdr and what follows) on a socket of `protocol` (NETLINK_ROUTE, ...) and
  // collects the reply up to NLMSG_DONE or the acknowledgement. The kernel's refusal is an Error with
  // its errno and, where it gave one, its own text (NLMSGERR_ATTR_MSG).
  virtual Result<std::vector<NetlinkMessage>> Talk(int protocol, std::span<const std::byte> request) = 0;
};

class KernelNetlink : public Netlink {
 public:
  Result<std::vector<NetlinkMessage>> Talk(int protocol, std::span<const std::byte> request) override;
};

// The indexes of the interfaces that carry a default route (IPv4 and IPv6, every table), from
// RTM_GETROUTE dumps.
Result<std::vector<int>> DefaultRouteInterfaces(Netlink& netlink);

// The interface indexes named by the default routes in `replies`: RTA_OIF, and every next hop of
// RTA_MULTIPATH. Malformed messages are skipped. Pure; fuzzed.
std::vector<int> ParseDefaultRoutes(std::span<const NetlinkMessage> replies);

}  // namespace drapci::hal
