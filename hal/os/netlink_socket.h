// Rtnetlink over a socket that another process has opened, in a network namespace of its choice.
#pragma once

#include <span>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

// A bound NETLINK_ROUTE socket in the network namespace of the calling thread.
Result<UniqueFd> OpenRouteSocket();

// One thread at a time. `fd` must outlive it.
class SocketNetlink : public Netlink {
 public:
  explicit SocketNetlink(int fd) : fd_(fd) {}
  // kUnsupported for any protocol but NETLINK_ROUTE.
  Result<std::vector<NetlinkMessage>> Talk(int protocol,
                                           std::span<const std::byte> request) override;

 private:
  const int fd_;
};

}  // namespace drapci::hal
