// Rtnetlink from the model alone.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "test/sim/devlink/genetlink.h"
#include "test/sim/fake_host.h"
#include "test/sim/kernel/rtnetlink.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;

template <class T>
void Append(NetlinkMessage& message, const T& value) {
  auto bytes = std::as_bytes(std::span(&value, 1));
  message.insert(message.end(), bytes.begin(), bytes.end());
}

template <class T>
T CopyOf(std::span<const std::byte> bytes, size_t offset) {
  T value{};
  if (bytes.size() >= offset + sizeof value) {
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  }
  return value;
}

// One RTM_NEWROUTE for 0.0.0.0/0 through `interface`, in the main table.
NetlinkMessage DefaultRoute(int interface) {
  NetlinkMessage message;
  rtattr oif{.rta_len = RTA_LENGTH(sizeof(int)), .rta_type = RTA_OIF};
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg)) + oif.rta_len;
  header.nlmsg_type = RTM_NEWROUTE;
  header.nlmsg_flags = NLM_F_MULTI;
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_type = RTN_UNICAST;
  Append(message, header);
  Append(message, route);
  Append(message, oif);
  Append(message, interface);
  return message;
}

// As KernelNetlink tells it.
std::unexpected<Error> Refused(const Refusal& refusal) {
  return Fail(Error::FromErrno(
      refusal.error, refusal.text.empty() ? "netlink" : fmt::format("netlink: {}", refusal.text)));
}

}  // namespace

Result<std::vector<NetlinkMessage>> FakeNetlink::Talk(int protocol,
                                                      std::span<const std::byte> request) {
  if (on_talk) {
    if (auto answer = on_talk(protocol, request)) return *std::move(answer);
  }
  const auto header = CopyOf<nlmsghdr>(request, 0);
  if (protocol == NETLINK_ROUTE && header.nlmsg_type == RTM_GETROUTE) return Routes(request);
  {
    std::lock_guard lock(mutex_);
    requests_.emplace_back(request.begin(), request.end());
  }
  if (protocol == NETLINK_GENERIC && kernel_ != nullptr) {
    // Devlink instances are in the machine's own namespace.
    if (name_space_ != kHomeNamespace) return Refused({.error = ENOENT});
    auto answer = AnswerGenetlink(*kernel_, request);
    if (!answer) return Refused(answer.error());
    return *std::move(answer);
  }
  if (protocol != NETLINK_ROUTE || kernel_ == nullptr) return Messages();
  switch (header.nlmsg_type) {
    case RTM_GETLINK: return GetLink(request, (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
    case RTM_NEWLINK:
    case RTM_SETLINK: return SetLink(request);
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_GETADDR: return Address(request, header.nlmsg_type);
    default: return Messages();
  }
}

FakeNetlink::Messages FakeNetlink::Routes(std::span<const std::byte> request) const {
  Messages replies;
  std::lock_guard lock(mutex_);
  if (CopyOf<uint8_t>(request, sizeof(nlmsghdr)) == AF_INET6) return replies;
  for (int interface : default_routes_) replies.push_back(DefaultRoute(interface));
  return replies;
}

Result<FakeNetlink::Messages> FakeNetlink::GetLink(std::span<const std::byte> request,
                                                   bool dump) const {
  const auto parsed = ParseLinkRequest(request);
  if (!parsed) return Refused(parsed.error());
  Messages replies;
  auto add = [&](const Interface& net) {
    replies.push_back(LinkMessage(net, dump ? NLM_F_MULTI : 0));
    AddParentAndVfs(*kernel_, net, parsed->filter, replies.back());
  };
  if (dump) {
    for (const Interface& net : kernel_->Interfaces()) {
      if (net.name_space == name_space_) add(net);
    }
    return replies;
  }
  if (parsed->index <= 0 && parsed->name.empty()) return Refused({.error = EINVAL});
  const auto net = FindLink(*kernel_, name_space_, *parsed);
  if (!net) return Refused({.error = ENODEV});
  add(*net);
  return replies;
}

Result<FakeNetlink::Messages> FakeNetlink::SetLink(std::span<const std::byte> request) {
  const auto parsed = ParseLinkRequest(request);
  if (!parsed) return Refused(parsed.error());
  const auto net = FindLink(*kernel_, name_space_, *parsed);
  if (!net) return Refused({.error = ENODEV});
  InterfaceChange change = parsed->change;
  if (parsed->namespace_fd) {
    if (namespaces_ != nullptr) change.name_space = namespaces_->Find(*parsed->namespace_fd);
    if (!change.name_space) return Refused({.error = EINVAL});
    // dev_change_net_namespace: its addresses go.
    if (*change.name_space != name_space_) namespaces_->addresses.erase(net->id);
  } else if (parsed->namespace_pid) {
    return Refused({.error = ESRCH});
  }
  if (int error = kernel_->ChangeInterface(net->id, change)) return Refused({.error = error});
  if (parsed->has_vf_list) {
    if (auto set = SetVfs(*kernel_, net->function, parsed->vfs); !set) return Refused(set.error());
  }
  return Messages();
}

Result<FakeNetlink::Messages> FakeNetlink::Address(std::span<const std::byte> request,
                                                   uint16_t type) {
  Messages replies;
  if (namespaces_ == nullptr) return replies;
  // What identifies an address: all that the request says of it.
  const std::vector<std::byte> body(request.begin() + std::min(sizeof(nlmsghdr), request.size()),
                                    request.end());
  const auto wanted = static_cast<int>(CopyOf<ifaddrmsg>(body, 0).ifa_index);
  for (const Interface& net : kernel_->Interfaces()) {
    if (net.name_space != name_space_) continue;
    auto& known = namespaces_->addresses[net.id];
    if (type == RTM_GETADDR) {
      for (const auto& address : known) {
        nlmsghdr header{};
        header.nlmsg_len = static_cast<uint32_t>(sizeof header + address.size());
        header.nlmsg_type = RTM_NEWADDR;
        header.nlmsg_flags = NLM_F_MULTI;
        NetlinkMessage message;
        Append(message, header);
        message.insert(message.end(), address.begin(), address.end());
        replies.push_back(std::move(message));
      }
    } else if (net.index == wanted) {
      const auto same = std::ranges::find(known, body);
      if (type == RTM_NEWADDR) {
        if (same != known.end()) return Refused({.error = EEXIST});
        known.push_back(body);
      } else {
        if (same == known.end()) return Refused({.error = EADDRNOTAVAIL});
        known.erase(same);
      }
      return replies;
    }
  }
  if (type != RTM_GETADDR) return Refused({.error = ENODEV});
  return replies;
}

void FakeNetlink::SetDefaultRouteInterfaces(std::vector<int> indexes) {
  std::lock_guard lock(mutex_);
  default_routes_ = std::move(indexes);
}

std::vector<NetlinkMessage> FakeNetlink::Requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

FakeNetworkNamespaces::FakeNetworkNamespaces(Kernel& kernel) : kernel_(kernel) {
  std::ignore = Make();  // the machine's own
}

UniqueFd FakeNetworkNamespaces::Make() {
  std::lock_guard lock(mutex_);
  UniqueFd fd(memfd_create("netns", MFD_CLOEXEC));
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  all_.push_back({.fd = std::move(fd), .number = next_++});
  return copy;
}

std::optional<uint64_t> FakeNetworkNamespaces::Find(int fd) const {
  struct stat wanted{};
  if (fstat(fd, &wanted) != 0) return std::nullopt;
  std::lock_guard lock(mutex_);
  for (const NameSpace& known : all_) {
    struct stat status{};
    if (fstat(known.fd.get(), &status) == 0 && status.st_ino == wanted.st_ino &&
        status.st_dev == wanted.st_dev) {
      return known.number;
    }
  }
  return std::nullopt;
}

void FakeNetworkNamespaces::End(const UniqueFd& name_space) {
  const auto number = Find(name_space.get());
  if (!number || *number == kHomeNamespace) return;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(all_, [&](const NameSpace& known) { return known.number == *number; });
  }
  kernel_.EndNamespace(*number);
}

Result<std::vector<UniqueFd>> FakeNetworkNamespaces::List() {
  std::lock_guard lock(mutex_);
  std::vector<UniqueFd> others;
  for (const NameSpace& known : all_) {
    if (known.number == kHomeNamespace) continue;
    others.emplace_back(fcntl(known.fd.get(), F_DUPFD_CLOEXEC, 0));
  }
  return others;
}

Result<UniqueFd> FakeNetworkNamespaces::Own() {
  std::lock_guard lock(mutex_);
  return UniqueFd(fcntl(all_.front().fd.get(), F_DUPFD_CLOEXEC, 0));
}

std::unique_ptr<hal::Netlink> FakeNetworkNamespaces::Enter(const UniqueFd& name_space) {
  const auto number = Find(name_space.get());
  // An ended namespace is as empty as it is.
  return number ? std::make_unique<FakeNetlink>(&kernel_, this, *number)
                : std::make_unique<FakeNetlink>();
}

}  // namespace drapci::sim
