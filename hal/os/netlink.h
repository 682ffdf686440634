// Netlink request and answer: one message out, all messages of the reply back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::hal {

// One message of a reply: the bytes from its nlmsghdr on.
using NetlinkMessage = std::vector<std::byte>;

// Any thread; every call uses a socket of its own.
class Netlink {
 public:
  virtual ~Netlink() = default;

  // Sends `request` (an nlmsghdr and what follows) on a socket of `protocol` (NETLINK_ROUTE, ...)
  // and collects the reply up to NLMSG_DONE or the acknowledgement. The kernel's refusal is an
  // Error with its errno and, where it gave one, its own text (NLMSGERR_ATTR_MSG). An
  // acknowledgement is always asked for; a dump that was interrupted by changes is repeated.
  // Sequence and port are filled in.
  virtual Result<std::vector<NetlinkMessage>> Talk(int protocol,
                                                   std::span<const std::byte> request) = 0;
};

// The reply to one request, put together from datagrams. Pure; fuzzed.
class NetlinkReply {
 public:
  NetlinkReply(uint32_t sequence, uint32_t port) : sequence_(sequence), port_(port) {}

  // Takes one datagram; true when the reply is complete. An Error for the kernel's refusal, and for
  // a message that is cut short or answers somebody else's request (EBADMSG).
  Result<bool> Add(std::span<const std::byte> datagram);

  // The objects changed during the dump (NLM_F_DUMP_INTR): what was collected may miss some.
  bool interrupted() const { return interrupted_; }
  std::vector<NetlinkMessage> TakeMessages() { return std::move(messages_); }

 private:
  const uint32_t sequence_, port_;
  bool interrupted_ = false;
  std::vector<NetlinkMessage> messages_;
};

// For the simulator only: this environment variable names a unix SOCK_SEQPACKET socket that stands
// for the kernel of the process's own network namespace, for NETLINK_ROUTE. One datagram there is
// one netlink datagram. A request carries the sender's port, which no kernel has given it, in
// nlmsg_pid.
inline constexpr const char* kNetlinkRelayVariable = "DRAPCI_NETLINK_RELAY";
// And one whose path has this behind it, for NETLINK_GENERIC.
inline constexpr std::string_view kGenericRelaySuffix = "-generic";

class KernelNetlink : public Netlink {
 public:
  KernelNetlink();  // with the relay of the environment, if any
  // An empty path: none. In a namespace that the thread has entered there is none.
  explicit KernelNetlink(std::string relay) : relay_(std::move(relay)) {}
  Result<std::vector<NetlinkMessage>> Talk(int protocol,
                                           std::span<const std::byte> request) override;

 private:
  std::string relay_;
};

// The indexes of the interfaces that carry a default route (IPv4 and IPv6, every table), from
// RTM_GETROUTE dumps.
Result<std::vector<int>> DefaultRouteInterfaces(Netlink& netlink);

// The interface indexes named by the default routes in `replies`: RTA_OIF, and every next hop of
// RTA_MULTIPATH. Malformed messages are skipped. Pure; fuzzed.
std::vector<int> ParseDefaultRoutes(std::span<const NetlinkMessage> replies);

// Whether a default route in `replies` uses a next-hop object (RTA_NH_ID, Linux 5.3 and newer), and
// the interface indexes of all next-hop objects in `replies` to RTM_GETNEXTHOP. Pure; fuzzed.
bool UseNextHopObjects(std::span<const NetlinkMessage> replies);
std::vector<int> ParseNextHops(std::span<const NetlinkMessage> replies);

}  // namespace drapci::hal
