#include "hal/os/netlink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "hal/base/unique_fd.h"
#include "hal/os/netlink_socket.h"

namespace drapci::hal {
namespace {

constexpr int kMaxDumpAttempts = 8;
constexpr timeval kAnswerTimeout = {.tv_sec = 10, .tv_usec = 0};
// One datagram; a link with hundreds of VFs describes them all in one message.
constexpr size_t kReceiveBuffer = size_t{256} << 10;

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

// A copy of a T at `offset`, if the bytes reach that far.
template <class T>
std::optional<T> CopyAt(std::span<const std::byte> bytes, size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The kernel's own words, from the attributes behind an nlmsgerr; empty when it gave none.
std::string KernelText(std::span<const std::byte> message, const nlmsghdr& header,
                       const nlmsgerr& refusal) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  size_t offset = MNL_NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) {  // the refused message is repeated first
    if (refusal.msg.nlmsg_len < sizeof(nlmsghdr)) return {};
    offset += MNL_ALIGN(size_t{refusal.msg.nlmsg_len} - sizeof(nlmsghdr));
  }
  while (auto attribute = CopyAt<nlattr>(message, offset)) {
    if (attribute->nla_len < MNL_ATTR_HDRLEN || attribute->nla_len > message.size() - offset) break;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      std::string text(attribute->nla_len - MNL_ATTR_HDRLEN, '\0');
      std::memcpy(text.data(), message.data() + offset + MNL_ATTR_HDRLEN, text.size());
      return text.substr(0, text.find('\0'));
    }
    offset += MNL_ALIGN(size_t{attribute->nla_len});
  }
  return {};
}

std::unexpected<Error> Malformed(std::string_view why) {
  return Fail(Error::FromErrno(EBADMSG, fmt::format("netlink answer: {}", why)));
}

Result<> LimitWaiting(int fd) {
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout) != 0) {
    return Fail(Error::FromErrno(errno, "set the time-out of a netlink socket"));
  }
  return {};
}

Result<Socket> OpenSocket(int protocol) {
  Socket socket(mnl_socket_open2(protocol, SOCK_CLOEXEC));
  if (!socket) return Fail(Error::FromErrno(errno, "open a netlink socket"));
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return Fail(Error::FromErrno(errno, "bind a netlink socket"));
  }
  // Without these two the answers only carry less, so a refusal does not matter.
  int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_EXT_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);
  DRAPCI_CHECK(LimitWaiting(mnl_socket_get_fd(socket.get())));
  return socket;
}

Result<UniqueFd> ConnectRelay(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Fail(Code::kInvalid, fmt::format("{}: '{}' is too long", kNetlinkRelayVariable, path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("connect to the netlink relay {}", path)));
  }
  DRAPCI_CHECK(LimitWaiting(fd.get()));
  return fd;
}

// The way to the kernel, or to the relay that stands for it.
struct Channel {
  Socket socket;
  UniqueFd relay;
  int fd = -1;
  uint32_t port = 0;
};

Result<Channel> OpenChannel(int protocol, const std::string& relay) {
  Channel channel;
  if (relay.empty() || (protocol != NETLINK_ROUTE && protocol != NETLINK_GENERIC)) {
    DRAPCI_TRY(channel.socket, OpenSocket(protocol));
    channel.fd = mnl_socket_get_fd(channel.socket.get());
    channel.port = mnl_socket_get_portid(channel.socket.get());
  } else {
    const bool generic = protocol == NETLINK_GENERIC;
    DRAPCI_TRY(channel.relay,
               ConnectRelay(generic ? fmt::format("{}{}", relay, kGenericRelaySuffix) : relay));
    channel.fd = channel.relay.get();
    channel.port = static_cast<uint32_t>(::getpid());
  }
  return channel;
}

// A socket of somebody else's, which stays open.
Result<Channel> BorrowChannel(int fd) {
  UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate) return Fail(Error::FromErrno(errno, "duplicate a netlink socket"));
  Channel channel;
  channel.socket.reset(mnl_socket_fdopen(duplicate.get()));
  if (!channel.socket) return Fail(Error::FromErrno(errno, "use a netlink socket"));
  channel.fd = duplicate.Release();
  channel.port = mnl_socket_get_portid(channel.socket.get());
  return channel;
}

Result<> Send(const Channel& channel, const NetlinkMessage& message) {
  const ssize_t sent = channel.socket
                           ? mnl_socket_sendto(channel.socket.get(), message.data(), message.size())
                           : ::send(channel.fd, message.data(), message.size(), MSG_NOSIGNAL);
  if (sent < 0) return Fail(Error::FromErrno(errno, "send a netlink request"));
  return {};
}

// One datagram that the kernel itself has sent.
Result<std::span<const std::byte>> Receive(int fd, std::span<std::byte> buffer) {
  for (;;) {
    sockaddr_storage from = {};  // a relay's name is longer than a netlink address
    iovec piece = {.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    const ssize_t length = ::recvmsg(fd, &message, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return Fail(Code::kTimeout, "the kernel did not answer");
    if (length < 0) return Fail(Error::FromErrno(errno, "receive a netlink answer"));
    if (length == 0) return Malformed("the relay has closed the connection");
    if ((message.msg_flags & MSG_TRUNC) != 0) return Malformed("cut short");
    sockaddr_nl sender;
    std::memcpy(&sender, &from, sizeof sender);
    // Another process may address any netlink socket. A relay's name is a path.
    if (sender.nl_family == AF_NETLINK && sender.nl_pid != 0) continue;
    return buffer.first(static_cast<size_t>(length));
  }
}

struct Answer {
  std::vector<NetlinkMessage> messages;
  bool interrupted = false;
};

Result<Answer> TalkOnce(const Channel& channel, std::span<const std::byte> request,
                        uint32_t sequence) {
  NetlinkMessage message(request.begin(), request.end());
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof header);
  header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  header.nlmsg_seq = sequence;
  header.nlmsg_pid = channel.socket ? 0 : channel.port;
  std::memcpy(message.data(), &header, sizeof header);
  DRAPCI_CHECK(Send(channel, message));
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReceiveBuffer);
  NetlinkReply reply(sequence, channel.port);
  for (;;) {
    DRAPCI_TRY(const std::span<const std::byte> datagram,
               Receive(channel.fd, {buffer.get(), kReceiveBuffer}));
    DRAPCI_TRY(const bool complete, reply.Add(datagram));
    if (complete) return Answer{reply.TakeMessages(), reply.interrupted()};
  }
}

// `open` makes the channel of each attempt.
template <class Open>
Result<std::vector<NetlinkMessage>> TalkOver(std::span<const std::byte> request, Open open) {
  const auto header = CopyAt<nlmsghdr>(request, 0);
  if (!header || header->nlmsg_len != request.size()) {
    return Fail(Code::kInternal, "netlink request whose length is not the one it states");
  }
  for (uint32_t attempt = 1; attempt <= kMaxDumpAttempts; ++attempt) {
    DRAPCI_TRY(const Channel channel, open());
    DRAPCI_TRY(Answer answer, TalkOnce(channel, request, attempt));
    if (!answer.interrupted) return std::move(answer.messages);
  }
  return Fail(Code::kBusy, "netlink dump: the objects changed during every attempt to read them");
}

}  // namespace

Result<bool> NetlinkReply::Add(std::span<const std::byte> datagram) {
  while (!datagram.empty()) {
    const auto header = CopyAt<nlmsghdr>(datagram, 0);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
      return Malformed("cut short");
    }
    if (header->nlmsg_seq != sequence_ || header->nlmsg_pid != port_) {
      return Malformed("it belongs to another request");
    }
    const std::span<const std::byte> message = datagram.first(header->nlmsg_len);
    if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted_ = true;
    switch (header->nlmsg_type) {
      case NLMSG_NOOP: break;
      case NLMSG_OVERRUN: return Malformed("data was lost");
      case NLMSG_DONE: {
        const int error = CopyAt<int>(message, MNL_NLMSG_HDRLEN).value_or(0);
        if (error < 0) return Fail(Error::FromErrno(-error, "netlink dump"));
        return true;
      }
      case NLMSG_ERROR: {
        const auto refusal = CopyAt<nlmsgerr>(message, MNL_NLMSG_HDRLEN);
        if (!refusal) return Malformed("cut short");
        if (refusal->error == 0) return true;
        const std::string text = KernelText(message, *header, *refusal);
        return Fail(Error::FromErrno(-refusal->error,
                                     text.empty() ? "netlink" : fmt::format("netlink: {}", text)));
      }
      default: messages_.emplace_back(message.begin(), message.end());
    }
    datagram = datagram.subspan(std::min(MNL_ALIGN(size_t{header->nlmsg_len}), datagram.size()));
  }
  return false;
}

KernelNetlink::KernelNetlink() {
  if (const char* relay = std::getenv(kNetlinkRelayVariable)) relay_ = relay;
}

Result<std::vector<NetlinkMessage>> KernelNetlink::Talk(int protocol,
                                                        std::span<const std::byte> request) {
  return TalkOver(request, [&] { return OpenChannel(protocol, relay_); });
}

Result<std::vector<NetlinkMessage>> SocketNetlink::Talk(int protocol,
                                                        std::span<const std::byte> request) {
  if (protocol != NETLINK_ROUTE) return Fail(Code::kUnsupported, "the socket is one of rtnetlink");
  return TalkOver(request, [this] { return BorrowChannel(fd_); });
}

Result<UniqueFd> OpenRouteSocket() {
  DRAPCI_TRY(const Socket socket, OpenSocket(NETLINK_ROUTE));
  UniqueFd fd(::fcntl(mnl_socket_get_fd(socket.get()), F_DUPFD_CLOEXEC, 0));
  if (!fd) return Fail(Error::FromErrno(errno, "duplicate a netlink socket"));
  return fd;
}

}  // namespace drapci::hal
