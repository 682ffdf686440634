#include "hal/os/namespace_helper.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "hal/base/log.h"
#include "hal/os/netlink_socket.h"

namespace drapci::hal {
namespace {

constexpr timeval kPatience = {.tv_sec = 10, .tv_usec = 0};
constexpr char kSocket = 's', kEnd = 'e';

// Room for one descriptor.
union Ancillary {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

// One datagram, with `passed` unless that is -1.
Result<> Send(int fd, char kind, int passed) {
  iovec piece = {.iov_base = &kind, .iov_len = 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Ancillary ancillary = {};
  if (passed >= 0) {
    message.msg_control = ancillary.bytes;
    message.msg_controllen = sizeof ancillary.bytes;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  if (::sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
    return Fail(Error::FromErrno(errno, "answer a caller"));
  }
  return {};
}

// The socket that came with one datagram; none with the last.
Result<std::optional<UniqueFd>> Receive(int fd) {
  char kind = 0;
  iovec piece = {.iov_base = &kind, .iov_len = 1};
  Ancillary ancillary = {};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes;
  message.msg_controllen = sizeof ancillary.bytes;
  const ssize_t length = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return Fail(Error::FromErrno(errno, "read its answer"));
  if (length == 0) return Fail(Code::kIo, "it ended in the middle of its answer");
  UniqueFd passed;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    passed.Reset(number);
  }
  if (kind == kEnd) return std::optional<UniqueFd>();
  if (kind != kSocket || !passed) return Fail(Code::kIo, "its answer is not understood");
  return std::optional(std::move(passed));
}

// Nothing where nobody listens.
Result<std::optional<UniqueFd>> Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Fail(Code::kInvalid, "its path is too long");
  std::ranges::copy(path, address.sun_path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return Fail(Error::FromErrno(errno, "make a socket"));
  const void* untyped = &address;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0) {
    return Fail(Error::FromErrno(errno, "limit the time to wait for it"));
  }
  if (::connect(fd.get(), static_cast<const sockaddr*>(untyped), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return std::optional<UniqueFd>();
    return Fail(Error::FromErrno(errno, "connect"));
  }
  return std::optional(std::move(fd));
}

Result<std::vector<UniqueFd>> ReadAll(int fd) {
  std::vector<UniqueFd> sockets;
  for (;;) {
    DRAPCI_TRY(std::optional<UniqueFd> each, Receive(fd));
    if (!each) return sockets;
    sockets.push_back(*std::move(each));
  }
}

bool IsNetlink(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_NETLINK;
}

}  // namespace

Result<> ServeNamespaces(NetworkNamespaces& namespaces, int fd) {
  DRAPCI_TRY(const std::vector<UniqueFd> all, namespaces.List());
  for (const UniqueFd& each : all) {
    if (::setns(each.get(), CLONE_NEWNET) != 0) {
      Log(LogLevel::kWarning, "{}", Error::FromErrno(errno, "enter a network namespace").what);
      continue;
    }
    DRAPCI_TRY(const UniqueFd socket, OpenRouteSocket());
    DRAPCI_CHECK(Send(fd, kSocket, socket.get()));
  }
  return Send(fd, kEnd, -1);
}

Result<std::vector<UniqueFd>> HelpedNetworkNamespaces::List() {
  const auto answer = [this]() -> Result<std::optional<std::vector<UniqueFd>>> {
    DRAPCI_TRY(const std::optional<UniqueFd> helper, Connect(helper_));
    if (!helper) return std::optional<std::vector<UniqueFd>>();
    DRAPCI_TRY(std::vector<UniqueFd> sockets, ReadAll(helper->get()));
    return std::optional(std::move(sockets));
  };
  auto sockets = answer();
  if (!sockets) {
    return Fail(std::move(sockets).error().Within(fmt::format(
        "ask {} for network namespaces; see journalctl -u 'drapci-namespaces@*'", helper_)));
  }
  if (!*sockets) return kernel_.List();
  return **std::move(sockets);
}

std::unique_ptr<Netlink> HelpedNetworkNamespaces::Enter(const UniqueFd& name_space) {
  if (IsNetlink(name_space.get())) return std::make_unique<SocketNetlink>(name_space.get());
  return kernel_.Enter(name_space);
}

}  // namespace drapci::hal
