#include "hal/net/link_events.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <utility>

namespace drapci::hal {

Result<LinkEvents> LinkEvents::Open() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  const void* untyped = &address;
  if (!socket || ::bind(socket.get(), static_cast<const sockaddr*>(untyped), sizeof address) != 0) {
    return Fail(Error::FromErrno(errno, "listening for network interfaces"));
  }
  return LinkEvents(std::move(socket));
}

bool LinkEvents::WaitUntil(const std::function<bool()>& done, MonotonicTime deadline) const {
  for (;;) {
    if (done()) return true;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, static_cast<int>(left.count()));
    // What the messages say does not matter, nor whether some were lost: `done` looks for itself.
    std::array<char, 4096> drain;
    while (::recv(socket_.get(), drain.data(), drain.size(), 0) > 0 || errno == ENOBUFS) {
      errno = 0;
    }
  }
}

}  // namespace drapci::hal
