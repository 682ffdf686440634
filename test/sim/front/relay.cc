#include "test/sim/front/relay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "hal/base/log.h"
#include "test/sim/front/route_socket.h"
#include "test/sim/kernel/rtnetlink.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;

constexpr size_t kBuffer = size_t{256} << 10;
constexpr unsigned kGetKind = 2;  // the lowest bits of RTM_*: new, delete, get, set

// The changes of one request, as "/net/<PCI address>/<part>" and its value: the one that the
// kernel would do first names all.
std::pair<std::string, std::string> PartOf(const LinkRequest& request) {
  const InterfaceChange& change = request.change;
  if (request.namespace_fd || request.namespace_pid) return {"netns", change.name.value_or("")};
  if (change.mac) return {"address", *change.mac};
  if (change.mtu) return {"mtu", fmt::format("{}", *change.mtu)};
  if (change.name) return {"name", *change.name};
  if (change.up) return {*change.up ? "up" : "down", ""};
  return {"link", ""};
}

bool ChangesInterface(const LinkRequest& request) {
  return !request.has_vf_list || PartOf(request).first != "link";
}

// One client: its connection, and a kernel socket of its own.
class Session {
 public:
  Session(Kernel& kernel, WriteTrap& trap, const std::function<void()>& refresh,
          UniqueFd connection, RouteSocket route)
      : kernel_(kernel),
        trap_(trap),
        refresh_(refresh),
        connection_(std::move(connection)),
        route_(std::move(route)) {
    socklen_t length = sizeof peer_;
    getsockopt(connection_.get(), SOL_SOCKET, SO_PEERCRED, &peer_, &length);
  }

  void Serve() {
    std::array<pollfd, 2> waiting{pollfd{.fd = connection_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = route_.fd(), .events = POLLIN, .revents = 0}};
    while (poll(waiting.data(), waiting.size(), -1) > 0 || errno == EINTR) {
      if (waiting[1].revents != 0 && !PassOn()) return;
      if (waiting[0].revents != 0 && !TakeRequest()) return;
    }
  }

 private:
  bool TakeRequest() {
    const ssize_t got = recv(connection_.get(), buffer_.data(), buffer_.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return false;
    NetlinkMessage request(buffer_.begin(), buffer_.begin() + got);
    nlmsghdr header;
    std::memcpy(&header, request.data(), sizeof header);
    if (header.nlmsg_len != request.size()) return false;
    client_ = header.nlmsg_pid;
    if ((header.nlmsg_type & 3) != kGetKind && peer_.uid != 0) {
      return Reply(ErrorMessage(request, {.error = EPERM}));
    }
    refresh_();
    switch (header.nlmsg_type) {
      case RTM_GETLINK: {
        const auto parsed = ParseLinkRequest(request);
        filter_ = parsed ? parsed->filter : 0;
        return SendToKernel(std::move(request));
      }
      case RTM_NEWLINK:
        if ((header.nlmsg_flags & NLM_F_CREATE) != 0) return SendToKernel(std::move(request));
        return SetLink(std::move(request));
      case RTM_SETLINK: return SetLink(std::move(request));
      case RTM_DELLINK: {
        // Interfaces of hardware have no rtnl_link_ops.
        const auto parsed = ParseLinkRequest(request);
        if (parsed && FindLink(kernel_, kHomeNamespace, *parsed)) {
          return Reply(ErrorMessage(request, {.error = EOPNOTSUPP}));
        }
        return SendToKernel(std::move(request));
      }
      default: return SendToKernel(std::move(request));
    }
  }

  bool SetLink(NetlinkMessage request) {
    const auto parsed = ParseLinkRequest(request);
    if (!parsed) return Reply(ErrorMessage(request, parsed.error()));
    UniqueFd name_space;
    if (parsed->namespace_fd) {
      // A descriptor of the client's.
      name_space =
          UniqueFd(open(fmt::format("/proc/{}/fd/{}", peer_.pid, *parsed->namespace_fd).c_str(),
                        O_RDONLY | O_CLOEXEC));
      if (!name_space) return Reply(ErrorMessage(request, {.error = EINVAL}));
      ReplaceDescriptor(request, name_space.get());
    }
    const auto net = FindLink(kernel_, kHomeNamespace, *parsed);
    if (!net) return SendToKernel(std::move(request)) && AwaitReply();
    if (ChangesInterface(*parsed)) {
      const auto [part, value] = PartOf(*parsed);
      NetlinkMessage refusal;
      const int error =
          kernel_.NetWrite(fmt::format("/net/{}/{}", net->function.ToString(), part), value, [&] {
            auto answer = AskKernel(WithoutVfs(request));
            if (answer.first != 0) refusal = std::move(answer.second);
            return answer.first;
          });
      if (error != 0) {
        return Reply(refusal.empty() ? ErrorMessage(request, {.error = error, .text = "simulated"})
                                     : std::move(refusal));
      }
      refresh_();
    }
    if (parsed->has_vf_list) {
      if (auto set = SetVfs(kernel_, net->function, parsed->vfs); !set) {
        return Reply(ErrorMessage(request, set.error()));
      }
    }
    trap_.Accepted(peer_.pid);
    return Reply(ErrorMessage(request, {}));
  }

  static void ReplaceDescriptor(NetlinkMessage& request, int fd) {
    size_t at = MNL_NLMSG_HDRLEN + sizeof(ifinfomsg);
    while (at + sizeof(nlattr) <= request.size()) {
      nlattr attribute;
      std::memcpy(&attribute, request.data() + at, sizeof attribute);
      if (attribute.nla_len < sizeof attribute || attribute.nla_len > request.size() - at) return;
      if (attribute.nla_type == IFLA_NET_NS_FD &&
          attribute.nla_len >= MNL_ATTR_HDRLEN + sizeof fd) {
        std::memcpy(request.data() + at + MNL_ATTR_HDRLEN, &fd, sizeof fd);
      }
      at += MNL_ALIGN(attribute.nla_len);
    }
  }

  bool SendToKernel(NetlinkMessage request) {
    nlmsghdr header;
    std::memcpy(&header, request.data(), sizeof header);
    header.nlmsg_pid = 0;
    std::memcpy(request.data(), &header, sizeof header);
    return send(route_.fd(), request.data(), request.size(), 0) >= 0;
  }

  // The kernel's verdict on a change, and its message.
  std::pair<int, NetlinkMessage> AskKernel(const NetlinkMessage& request) {
    nlmsghdr asked;
    std::memcpy(&asked, request.data(), sizeof asked);
    NetlinkMessage with_ack = request;
    asked.nlmsg_flags |= NLM_F_ACK;
    std::memcpy(with_ack.data(), &asked, sizeof asked);
    if (!SendToKernel(std::move(with_ack))) return {errno, {}};
    while (true) {
      const ssize_t got = recv(route_.fd(), buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) return {EIO, {}};
      nlmsghdr header;
      nlmsgerr verdict;
      std::memcpy(&header, buffer_.data(), sizeof header);
      std::memcpy(&verdict, buffer_.data() + sizeof header, sizeof verdict);
      if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq != asked.nlmsg_seq) continue;
      return {-verdict.error, NetlinkMessage(buffer_.begin(), buffer_.begin() + got)};
    }
  }

  // Until the kernel has answered, a descriptor in the request has to stay open.
  bool AwaitReply() { return PassOn(); }

  // One datagram of the kernel's, each of its messages on its own: with VFs they are long.
  bool PassOn() {
    const ssize_t got = recv(route_.fd(), buffer_.data(), buffer_.size(), 0);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    std::span<const std::byte> rest(buffer_.data(), static_cast<size_t>(got));
    const std::vector<Interface> all = kernel_.Interfaces();
    std::vector<NetlinkMessage> out;
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return false;
      out.emplace_back(rest.begin(), rest.begin() + header.nlmsg_len);
      if (header.nlmsg_type == RTM_NEWLINK) Complete(all, out.back());
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
    for (NetlinkMessage& message : out) {
      if (!Reply(std::move(message))) return false;
    }
    return true;
  }

  void Complete(const std::vector<Interface>& all, NetlinkMessage& message) const {
    const auto news = ReadLinkNews(message);
    if (!news) return;
    for (const Interface& net : all) {
      if (net.name_space == kHomeNamespace && net.index == news->index) {
        message.resize(NLMSG_ALIGN(message.size()));
        return AddParentAndVfs(kernel_, net, filter_, message);
      }
    }
  }

  bool Reply(NetlinkMessage message) {
    nlmsghdr header;
    std::memcpy(&header, message.data(), sizeof header);
    header.nlmsg_pid = client_;
    std::memcpy(message.data(), &header, sizeof header);
    return send(connection_.get(), message.data(), message.size(), MSG_NOSIGNAL) >= 0;
  }

  Kernel& kernel_;
  WriteTrap& trap_;
  const std::function<void()>& refresh_;
  UniqueFd connection_;
  RouteSocket route_;
  ucred peer_{};
  uint32_t client_ = 0;  // its port, as it says
  uint32_t filter_ = 0;  // of its last RTM_GETLINK
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBuffer);
};

}  // namespace

Result<> Relay::Start(const std::string& path) {
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
      auto route = RouteSocket::Open();
      if (!route) {
        Log(LogLevel::kError, "drapci-sim: {}", route.error().what);
        continue;
      }
      // One thread each: a change may be held by a fault that another request releases.
      std::thread([this, connection = std::move(connection), route = *std::move(route)]() mutable {
        Session(kernel_, trap_, refresh_, std::move(connection), std::move(route)).Serve();
      }).detach();
    }
  }).detach();
  return {};
}

}  // namespace drapci::sim
