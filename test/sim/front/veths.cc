#include "test/sim/front/veths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "hal/base/log.h"
#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

// The machine's namespace, as the hidden one calls it.
constexpr int kMachine = 0;
// Indexes of hidden ends: far from those of other ends, since the kernel tells a peer's index only
// where it differs.
constexpr int kFirstIndex = 1 << 20;
constexpr int kEventBuffer = 4 << 20;
constexpr size_t kDatagram = size_t{64} << 10;

int HiddenIndex(int id) { return kFirstIndex + id; }

std::vector<uint8_t> MacBytes(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (std::string_view octet : Split(text, ':')) {
    bytes.push_back(ParseHex<uint8_t>(octet).value_or(0));
  }
  return bytes;
}

Result<UniqueFd> OpenMonitor() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  const int on = 1;
  if (!fd || setsockopt(fd.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return Fail(Error::FromErrno(errno, "listen to all network namespaces"));
  }
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kEventBuffer, sizeof kEventBuffer);
  return fd;
}

RouteRequest MakeRequest(const Interface& wanted, const std::string& name, int machine) {
  RouteRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, HiddenIndex(wanted.id), IFF_UP,
                       IFF_UP);
  request.PutText(IFLA_IFNAME, fmt::format("sim{}", wanted.id));
  const size_t info = request.Begin(IFLA_LINKINFO);
  request.PutText(IFLA_INFO_KIND, "veth");
  const size_t data = request.Begin(IFLA_INFO_DATA);
  const size_t peer = request.Begin(VETH_INFO_PEER);
  request.PutLinkHeader(0, 0);  // it cannot be up before its other end is there
  request.PutText(IFLA_IFNAME, name);
  if (!wanted.mac.empty()) {
    const auto mac = MacBytes(wanted.mac);
    request.Put(IFLA_ADDRESS, mac.data(), mac.size());
  }
  request.PutU32(IFLA_MTU, wanted.mtu);
  request.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(machine));
  request.End(peer);
  request.End(data);
  request.End(info);
  return request;
}

}  // namespace

Result<> Veths::OpenHidden() {
  if (unshare(CLONE_NEWNET) != 0) {
    return Fail(Error::FromErrno(errno, "make a hidden network namespace"));
  }
  hidden_ = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!hidden_) return Fail(Error::FromErrno(errno, "open a hidden network namespace"));
  DRAPCI_TRY(socket_, RouteSocket::Open());
  DRAPCI_TRY(monitor_, OpenMonitor());
  return {};
}

Result<> Veths::Open() {
  machine_ = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!machine_) return Fail(Error::FromErrno(errno, "open the machine's network namespace"));
  DRAPCI_TRY(at_home_, RouteSocket::Open());
  Result<> opened;
  // A namespace is its thread's; descriptors and sockets keep it.
  std::thread([&] { opened = OpenHidden(); }).join();
  DRAPCI_CHECK(opened);
  RouteRequest name = RouteRequest::OfNamespaces(RTM_NEWNSID);
  name.PutU32(NETNSA_NSID, kMachine);
  name.PutU32(NETNSA_FD, static_cast<uint32_t>(machine_.get()));
  DRAPCI_CHECK(Talk(name));
  open_ = true;
  std::thread([this] {
    while (true) {
      pollfd waiting{.fd = monitor_.get(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, -1) > 0) Sync();
    }
  }).detach();
  return {};
}

Result<Veths::Messages> Veths::Talk(const RouteRequest& request) {
  std::lock_guard lock(request_mutex_);
  return socket_->Talk(request);
}

Result<Interface> Veths::Locate(int id) {
  DRAPCI_TRY(const Messages ends, Talk(RouteRequest(RTM_GETLINK, 0, HiddenIndex(id))));
  const auto hidden = ends.empty() ? std::nullopt : ReadLinkNews(ends.front());
  if (!hidden || hidden->peer_namespace.value_or(-1) < 0) {
    return Fail(Code::kBusy, "its namespace is ending");
  }
  RouteRequest request(RTM_GETLINK, 0, hidden->peer);
  request.PutU32(IFLA_TARGET_NETNSID, static_cast<uint32_t>(*hidden->peer_namespace));
  auto answer = Talk(request);
  const auto end = answer && !answer->empty() ? ReadLinkNews(answer->front()) : std::nullopt;
  if (!end) return Fail(Code::kBusy, "it is on its way");
  const int where = *hidden->peer_namespace;
  return Interface{
      .id = id,
      .function = {},
      .name_space = where == kMachine ? kHomeNamespace : static_cast<uint64_t>(where) + 1,
      .index = end->index,
      .name = end->name,
      .mac = end->mac,
      .mtu = end->mtu,
      .up = (end->flags & IFF_UP) != 0,
      .carrier = (end->flags & IFF_LOWER_UP) != 0};
}

std::optional<Interface> Veths::Make(const Interface& wanted) {
  if (refused_) return std::nullopt;
  if (!open_) {
    if (auto opened = Open(); !opened) {
      refused_ = true;
      Log(LogLevel::kWarning, "network interfaces exist in sysfs only: {}", opened.error().what);
      return std::nullopt;
    }
  }
  {
    std::lock_guard lock(table_mutex_);
    table_[wanted.id] = {};
  }
  auto made = Talk(MakeRequest(wanted, wanted.name, machine_.get()));
  if (!made && made.error().sys == EEXIST) {
    made = Talk(MakeRequest(wanted, "dev%d", machine_.get()));
  }
  if (made) {
    std::lock_guard lock(table_mutex_);
    table_[wanted.id].made = true;
  }
  // After this a change is heard; what was before it is read here.
  auto now = made ? Locate(wanted.id) : Result<Interface>(std::unexpected(made.error()));
  if (now && wanted.up) {
    std::ignore = at_home_->Talk(RouteRequest(RTM_SETLINK, 0, now->index, IFF_UP, IFF_UP));
    now = Locate(wanted.id);
  }
  if (now) {
    now->function = wanted.function;
    now->below = wanted.below;
    return *std::move(now);
  }
  // Without veth in the kernel or the right to it no other one can be made either.
  if (!made) refused_ = made.error().sys == EOPNOTSUPP || made.error().sys == EPERM;
  Log(LogLevel::kWarning, "network interface{} in sysfs only: {}",
      refused_ ? "s exist" : fmt::format(" {} exists", wanted.name), now.error().what);
  std::lock_guard lock(table_mutex_);
  table_.erase(wanted.id);
  return std::nullopt;
}

void Veths::Remove(std::span<const int> ids) {
  {
    std::lock_guard lock(table_mutex_);
    for (int id : ids) table_.erase(id);
  }
  if (ids.size() == 1) {
    std::ignore = Talk(RouteRequest(RTM_DELLINK, 0, HiddenIndex(ids.front())));
    return;
  }
  // The kernel waits for its readers once for each deletion: one for all of a group.
  const unsigned group = next_group_++;
  for (int id : ids) {
    RouteRequest join(RTM_SETLINK, 0, HiddenIndex(id));
    join.PutU32(IFLA_GROUP, group);
    std::ignore = Talk(join);
  }
  RouteRequest remove(RTM_DELLINK, 0, 0);
  remove.PutU32(IFLA_GROUP, group);
  std::ignore = Talk(remove);
}

void Veths::SetCarrier(int id, bool on) {
  std::ignore = Talk(RouteRequest(RTM_SETLINK, 0, HiddenIndex(id), on ? IFF_UP : 0, IFF_UP));
}

void Veths::Hear(std::span<const std::byte> datagram, std::optional<int> name_space,
                 std::set<int>& touched) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
    if (auto news = ReadLinkNews(datagram.first(header.nlmsg_len))) {
      std::lock_guard lock(table_mutex_);
      const int id = (name_space ? news->peer : news->index) - kFirstIndex;
      if (auto known = table_.find(id); known != table_.end() && known->second.made) {
        touched.insert(id);
        // A namespace may be gone before anybody can ask what was in it.
        if (name_space && news->type == RTM_NEWLINK) known->second.name = news->name;
      }
    }
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
}

std::set<int> Veths::Drain() {
  std::set<int> touched;
  std::vector<std::byte> buffer(kDatagram);
  while (true) {
    alignas(cmsghdr) std::array<char, 256> control;
    iovec piece{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(monitor_.get(), &message, 0);
    if (got < 0 && errno == ENOBUFS) {  // some are lost: all may have changed
      std::lock_guard lock(table_mutex_);
      for (const auto& [id, end] : table_) {
        if (end.made) touched.insert(id);
      }
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return touched;
    std::optional<int> name_space;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_NETLINK || part->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
      int id = 0;
      std::memcpy(&id, CMSG_DATA(part), sizeof id);
      name_space = id;
    }
    Hear(std::span(buffer).first(static_cast<size_t>(got)), name_space, touched);
  }
}

void Veths::Sync() {
  if (!open_) return;
  std::lock_guard sync(sync_mutex_);
  for (int id : Drain()) {
    auto now = Locate(id);
    if (now) {
      {
        // What happens in a namespace is heard only once this one has a number for it, which asking
        // gives it: a name that was given before then is known from here alone.
        std::lock_guard lock(table_mutex_);
        if (auto known = table_.find(id); known != table_.end()) known->second.name = now->name;
      }
      kernel_->InterfaceIs(*now);
      continue;
    }
    if (now.error().sys != ENODEV) continue;
    std::map<int, End>::node_type lost;
    {
      std::lock_guard lock(table_mutex_);
      lost = table_.extract(id);
    }
    if (lost) kernel_->InterfaceLost(id, lost.mapped().name);
  }
}

}  // namespace drapci::sim
