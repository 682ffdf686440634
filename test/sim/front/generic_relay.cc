#include "test/sim/front/generic_relay.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "test/sim/devlink/genetlink.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;

constexpr size_t kBuffer = size_t{64} << 10;

bool Reply(int fd, NetlinkMessage message, const nlmsghdr& request) {
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof header);
  header.nlmsg_seq = request.nlmsg_seq;
  header.nlmsg_pid = request.nlmsg_pid;  // the client's port, as it says
  std::memcpy(message.data(), &header, sizeof header);
  return send(fd, message.data(), message.size(), MSG_NOSIGNAL) >= 0;
}

// NLMSG_DONE, with the dump's result.
NetlinkMessage Done() {
  struct {
    nlmsghdr header;
    int error;
  } done = {};
  done.header.nlmsg_len = sizeof done;
  done.header.nlmsg_type = NLMSG_DONE;
  done.header.nlmsg_flags = NLM_F_MULTI;
  const auto bytes = std::as_bytes(std::span(&done, 1));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

void GenericRelay::Serve(UniqueFd connection) const {
  ucred peer{};
  socklen_t length = sizeof peer;
  getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length);
  std::vector<std::byte> buffer(kBuffer);
  while (true) {
    const ssize_t got = recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return;
    const NetlinkMessage request(buffer.begin(), buffer.begin() + got);
    nlmsghdr header;
    std::memcpy(&header, request.data(), sizeof header);
    if (header.nlmsg_len != request.size()) return;
    refresh_();
    const bool changes = ChangesDevlink(request);
    // GENL_ADMIN_PERM and GENL_UNS_ADMIN_PERM.
    auto answer = changes && peer.uid != 0 ? std::unexpected(Refusal{.error = EPERM})
                                           : AnswerGenetlink(kernel_, request);
    if (!answer) {
      if (!Reply(connection.get(), ErrorMessage(request, answer.error()), header)) return;
      continue;
    }
    if (changes) trap_.Accepted(peer.pid);
    for (NetlinkMessage& message : *answer) {
      if (!Reply(connection.get(), std::move(message), header)) return;
    }
    const bool dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!Reply(connection.get(), dump ? Done() : ErrorMessage(request, {}), header)) return;
  }
}

Result<> GenericRelay::Start(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Fail(Code::kInvalid, path + " is too long for a socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  listener_ = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!listener_ ||
      bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 64) != 0) {
    return Fail(Error::FromErrno(errno, "listen on " + path));
  }
  chmod(path.c_str(), 0666);
  std::thread([this] {
    while (true) {
      UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      // One thread each: a change may be held by a fault that another request releases.
      std::thread([this, connection = std::move(connection)]() mutable {
        Serve(std::move(connection));
      }).detach();
    }
  }).detach();
  return {};
}

}  // namespace drapci::sim
