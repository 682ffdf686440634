#include "test/unit/net/fake_rtnetlink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "test/unit/os/netlink_bytes.h"

namespace drapci::test {
namespace {

using hal::NetlinkMessage;
using Attributes = std::vector<std::pair<uint16_t, std::span<const std::byte>>>;

template <class T>
T At(std::span<const std::byte> bytes, size_t offset = 0) {
  T value{};
  if (offset + sizeof value <= bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  }
  return value;
}

Attributes Split(std::span<const std::byte> bytes) {
  Attributes all;
  while (bytes.size() >= 4) {
    const size_t length = At<uint16_t>(bytes);
    if (length < 4 || length > bytes.size()) break;
    all.emplace_back(At<uint16_t>(bytes, 2) & NLA_TYPE_MASK, bytes.subspan(4, length - 4));
    bytes = bytes.subspan(std::min((length + 3) & ~size_t{3}, bytes.size()));
  }
  return all;
}

std::span<const std::byte> Find(const Attributes& all, uint16_t type) {
  const auto found = std::ranges::find(all, type, &Attributes::value_type::first);
  return found == all.end() ? std::span<const std::byte>() : found->second;
}

std::string Text(std::span<const std::byte> bytes) {
  std::string text(bytes.size(), '\0');
  if (!bytes.empty()) std::memcpy(text.data(), bytes.data(), bytes.size());
  return text.substr(0, text.find('\0'));
}

std::unexpected<Error> No(int error, const std::string& text = {}) {
  return Fail(Error::FromErrno(error, text.empty() ? "netlink" : "netlink: " + text));
}

std::vector<std::byte> AsBytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> Attribute(uint16_t type, const std::vector<std::byte>& payload) {
  Bytes bytes;
  bytes.U16(static_cast<uint16_t>(4 + payload.size())).U16(type).Add(payload);
  while (bytes.get().size() % 4 != 0) bytes.U8({0});
  return bytes.get();
}

std::vector<std::byte> Attribute(uint16_t type, std::string_view text) {
  std::vector<std::byte> payload = AsBytes(text);
  payload.push_back(std::byte{0});
  return Attribute(type, payload);
}

std::vector<std::byte> Number(uint16_t type, uint32_t value) {
  return Attribute(type, Bytes().U32(value).get());
}

// rtnl_fill_vfinfo().
std::vector<std::byte> DescribeVf(const FakeInterface& pf, uint32_t number) {
  const FakeVf& vf = pf.vfs[number];
  Bytes mac;
  mac.U32(number);
  for (size_t i = 0; i < 32; ++i) mac.U8({i < vf.mac.size() ? vf.mac[i] : 0});
  const auto setting = [&](uint16_t type, uint32_t value) {
    return Attribute(type, Bytes().U32(number).U32(value).get());
  };
  Bytes info;
  info.Add(Attribute(IFLA_VF_MAC, mac.get()))
      .Add(Attribute(IFLA_VF_VLAN, Bytes().U32(number).U32(vf.vlan).U32(vf.qos).get()));
  if (!pf.old_rate) {
    info.Add(Attribute(IFLA_VF_RATE, Bytes().U32(number).U32(vf.min_rate).U32(vf.max_rate).get()));
  }
  info.Add(setting(IFLA_VF_TX_RATE, vf.max_rate))
      .Add(setting(IFLA_VF_SPOOFCHK, vf.spoof_check))
      .Add(setting(IFLA_VF_LINK_STATE, vf.link_state))
      .Add(setting(IFLA_VF_RSS_QUERY_EN, 0xffffffff))
      .Add(setting(IFLA_VF_TRUST, vf.trust));
  Bytes vlan;
  vlan.U32(number).U32(vf.vlan).U32(vf.qos).U8({vf.protocol >> 8, vf.protocol & 0xff, 0, 0});
  info.Add(Attribute(IFLA_VF_VLAN_LIST, Attribute(IFLA_VF_VLAN_INFO, vlan.get())));
  return Attribute(IFLA_VF_INFO, info.get());
}

bool IsCalled(const FakeInterface& link, const std::string& name) {
  return link.name == name || std::ranges::find(link.alternatives, name) != link.alternatives.end();
}

class NamespaceNetlink : public hal::Netlink {
 public:
  NamespaceNetlink(FakeRtnetlink& kernel, int name_space)
      : kernel_(kernel), name_space_(name_space) {}
  Result<std::vector<NetlinkMessage>> Talk(int, std::span<const std::byte> request) override {
    return kernel_.Talk(name_space_, request);
  }

 private:
  FakeRtnetlink& kernel_;
  const int name_space_;
};

}  // namespace

class FakeNamespaces : public hal::NetworkNamespaces {
 public:
  explicit FakeNamespaces(FakeRtnetlink& kernel) : kernel_(kernel) {}
  Result<std::vector<UniqueFd>> List() override {
    ++kernel_.lists;
    std::vector<UniqueFd> all;
    for (const auto& [number, each] : kernel_.namespaces_) {
      if (number != FakeRtnetlink::kOwn && !each.ended) all.push_back(Duplicate(each.fd));
    }
    return all;
  }
  Result<UniqueFd> Own() override {
    return Duplicate(kernel_.namespaces_.at(FakeRtnetlink::kOwn).fd);
  }
  std::unique_ptr<hal::Netlink> Enter(const UniqueFd& fd) override {
    return std::make_unique<NamespaceNetlink>(kernel_, kernel_.FindNamespace(fd.get()));
  }

 private:
  static UniqueFd Duplicate(const UniqueFd& fd) {
    return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  }
  FakeRtnetlink& kernel_;
};

// /sys/devices/.../<parent>/net and /sys/class/net.
class FakeNetSysfs : public hal::Sysfs {
 public:
  FakeNetSysfs(const FakeRtnetlink& kernel, hal::Sysfs& base) : kernel_(kernel), base_(base) {}

  Result<std::string> Read(std::string_view path) const override {
    constexpr std::string_view kClass = "/sys/class/net/";
    if (!path.starts_with(kClass)) return base_.Read(path);
    const std::string_view name = path.substr(kClass.size(), path.rfind('/') - kClass.size());
    const std::string_view file = path.substr(path.rfind('/') + 1);
    for (const auto& [index, entry] : kernel_.links_) {
      const FakeInterface& link = entry.interface;
      if (entry.name_space != FakeRtnetlink::kOwn || link.name != name) continue;
      if (file == "ifindex") return std::to_string(index);
      if (file == "mtu") return std::to_string(link.mtu);
      if (file == "speed") return std::to_string(link.speed);
      if (file == "phys_port_name" && !link.port.empty()) return link.port;
      return Fail(Error::FromErrno(EOPNOTSUPP, fmt::format("read {}", path)));
    }
    return Fail(Error::FromErrno(ENOENT, fmt::format("read {}", path)));
  }

  Result<std::vector<std::string>> List(std::string_view path) const override {
    if (!path.ends_with("/net") || !path.starts_with("/sys/devices/")) return base_.List(path);
    std::vector<std::string> names;
    for (const auto& [index, entry] : kernel_.links_) {
      const FakeInterface& link = entry.interface;
      if (entry.name_space == FakeRtnetlink::kOwn && !link.parent.empty() &&
          path.ends_with("/" + link.parent + "/net")) {
        names.push_back(link.name);
      }
    }
    if (names.empty()) return Fail(Error::FromErrno(ENOENT, fmt::format("list {}", path)));
    std::ranges::sort(names);
    return names;
  }

  Result<> Write(std::string_view path, std::string_view value) override {
    return base_.Write(path, value);
  }
  Result<std::string> ReadLink(std::string_view path) const override {
    return base_.ReadLink(path);
  }
  Result<std::string> Resolve(std::string_view path) const override { return base_.Resolve(path); }
  bool Exists(std::string_view path) const override { return base_.Exists(path); }

 private:
  const FakeRtnetlink& kernel_;
  hal::Sysfs& base_;
};

FakeRtnetlink::FakeRtnetlink() : seam_(std::make_unique<FakeNamespaces>(*this)) {
  next_namespace_ = kOwn;
  AddNamespace();
}
FakeRtnetlink::~FakeRtnetlink() = default;

int FakeRtnetlink::AddNamespace() {
  const int number = next_namespace_++;
  namespaces_[number] = {.fd = UniqueFd(::memfd_create("namespace", MFD_CLOEXEC)),
                         .ended = false,
                         .netlink = std::make_unique<NamespaceNetlink>(*this, number)};
  return number;
}

int FakeRtnetlink::Add(FakeInterface interface, int name_space) {
  links_[next_index_] = {.name_space = name_space, .interface = std::move(interface)};
  return next_index_++;
}

void FakeRtnetlink::Remove(int index) { links_.erase(index); }
FakeInterface& FakeRtnetlink::Get(int index) { return links_.at(index).interface; }
int FakeRtnetlink::NamespaceOf(int index) const { return links_.at(index).name_space; }
void FakeRtnetlink::End(int name_space) { namespaces_.at(name_space).ended = true; }

void FakeRtnetlink::Return() {
  for (auto& [index, entry] : links_) {
    if (!namespaces_.at(entry.name_space).ended) continue;
    std::string& name = entry.interface.name;
    if (IsTaken(kOwn, name)) name = FreeName(kOwn, "dev%d");
    entry.interface.up = false;
    entry.name_space = kOwn;
  }
}

hal::Netlink& FakeRtnetlink::In(int name_space) { return *namespaces_.at(name_space).netlink; }
hal::NetworkNamespaces& FakeRtnetlink::namespaces() { return *seam_; }
std::unique_ptr<hal::Sysfs> FakeRtnetlink::Sysfs(hal::Sysfs& base) {
  return std::make_unique<FakeNetSysfs>(*this, base);
}
void FakeRtnetlink::Refuse(uint16_t type, int error, std::string text) {
  refusals_.push_back({type, error, std::move(text)});
}

int FakeRtnetlink::FindNamespace(int fd) const {
  struct stat wanted = {}, status = {};
  ::fstat(fd, &wanted);
  for (const auto& [number, each] : namespaces_) {
    if (::fstat(each.fd.get(), &status) == 0 && status.st_ino == wanted.st_ino) return number;
  }
  return -1;
}

bool FakeRtnetlink::IsTaken(int name_space, const std::string& name) const {
  return std::ranges::any_of(links_, [&](const auto& each) {
    return each.second.name_space == name_space && IsCalled(each.second.interface, name);
  });
}

std::string FakeRtnetlink::FreeName(int name_space, const std::string& name) const {
  const size_t pattern = name.find("%d");
  if (pattern == std::string::npos) return name;
  for (int number = 0;; ++number) {
    const std::string candidate = name.substr(0, pattern) + std::to_string(number);
    if (!IsTaken(name_space, candidate)) return candidate;
  }
}

FakeRtnetlink::Answer FakeRtnetlink::Talk(int name_space, std::span<const std::byte> request) {
  const auto header = At<nlmsghdr>(request);
  if (before) before(header.nlmsg_type);
  ++requests[header.nlmsg_type];
  if (!namespaces_.contains(name_space)) return No(EINVAL);
  const auto refusal = std::ranges::find(refusals_, header.nlmsg_type, &Refusal::type);
  if (refusal != refusals_.end()) {
    const Refusal taken = *refusal;
    refusals_.erase(refusal);
    return No(taken.error, taken.text);
  }
  switch (header.nlmsg_type) {
    case RTM_GETLINK:
      return GetLinks(name_space, request, (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
    case RTM_SETLINK: return SetLink(name_space, request);
    case RTM_DELLINKPROP: return RemoveAlternative(name_space, request);
    case RTM_NEWADDR: return AddAddress(name_space, request);
    case RTM_GETADDR: return ListAddresses(name_space);
    default: return No(EOPNOTSUPP);
  }
}

// rtnl_fill_ifinfo(): the VFs come before the parent.
NetlinkMessage FakeRtnetlink::Describe(int index, bool vfs) const {
  const FakeInterface& link = links_.at(index).interface;
  const uint32_t flags =
      (link.up ? uint32_t{IFF_UP} : 0) | (link.up && link.peer ? uint32_t{IFF_LOWER_UP} : 0);
  Bytes body;
  body.U8({0, 0, 1, 0}).U32(static_cast<uint32_t>(index)).U32(flags).U32(0);
  body.Add(Attribute(IFLA_IFNAME, link.name)).Add(Number(IFLA_MTU, link.mtu));
  Bytes mac;
  for (const uint8_t octet : link.mac) mac.U8({octet});
  body.Add(Attribute(IFLA_ADDRESS, mac.get()));
  if (vfs && !link.parent.empty()) {
    body.Add(Number(IFLA_NUM_VF, static_cast<uint32_t>(link.vfs.size())));
    if (link.has_vf_calls && !link.vfs.empty()) {
      Bytes list;
      const size_t listed = std::min(link.vfs.size(), link.vfs_listed);
      for (size_t i = 0; i < listed; ++i) list.Add(DescribeVf(link, static_cast<uint32_t>(i)));
      body.Add(Attribute(IFLA_VFINFO_LIST, list.get()));
    }
  }
  if (!link.parent.empty()) body.Add(Attribute(IFLA_PARENT_DEV_NAME, link.parent));
  return Message(RTM_NEWLINK, 0, body.get());
}

FakeRtnetlink::Answer FakeRtnetlink::GetLinks(int name_space, std::span<const std::byte> request,
                                              bool dump) {
  const auto fixed = At<ifinfomsg>(request, sizeof(nlmsghdr));
  const Attributes all = Split(request.subspan(sizeof(nlmsghdr) + sizeof(ifinfomsg)));
  const bool vfs = (At<uint32_t>(Find(all, IFLA_EXT_MASK)) & RTEXT_FILTER_VF) != 0;
  const std::string name = Text(Find(all, IFLA_IFNAME));
  std::vector<NetlinkMessage> answer;
  for (const auto& [index, entry] : links_) {
    if (entry.name_space != name_space) continue;
    if (dump ||
        (fixed.ifi_index != 0 ? fixed.ifi_index == index : IsCalled(entry.interface, name))) {
      answer.push_back(Describe(index, vfs));
    }
  }
  if (answer.empty() && !dump) return No(ENODEV);
  return answer;
}

FakeRtnetlink::Answer FakeRtnetlink::Move(int index, int target, const std::string& name) {
  Entry& entry = links_.at(index);
  if (!namespaces_.contains(target)) return No(EINVAL);
  if (IsTaken(target, entry.interface.name)) {
    const std::string free = FreeName(target, name);
    if (name.empty() || IsTaken(target, free)) return No(EEXIST);
    entry.interface.name = free;
  }
  entry.name_space = target;
  entry.interface.up = false;
  entry.interface.addresses.clear();
  return std::vector<NetlinkMessage>();
}

FakeRtnetlink::Answer FakeRtnetlink::SetLink(int name_space, std::span<const std::byte> request) {
  const auto fixed = At<ifinfomsg>(request, sizeof(nlmsghdr));
  const Attributes all = Split(request.subspan(sizeof(nlmsghdr) + sizeof(ifinfomsg)));
  const auto found = links_.find(fixed.ifi_index);
  if (found == links_.end() || found->second.name_space != name_space) return No(ENODEV);
  Entry& entry = found->second;
  FakeInterface& link = entry.interface;
  const std::string name = Text(Find(all, IFLA_IFNAME));
  if (const auto fd = Find(all, IFLA_NET_NS_FD); !fd.empty()) {
    const int target = FindNamespace(At<int>(fd));
    if (target != entry.name_space) {
      DRAPCI_CHECK([&]() -> Result<> {
        Answer moved = Move(found->first, target, name);
        if (!moved) return Fail(std::move(moved).error());
        return {};
      }());
    }
  }
  if (const auto mtu = Find(all, IFLA_MTU); !mtu.empty()) {
    const auto value = At<uint32_t>(mtu);
    if (value < 68) return No(EINVAL, "mtu less than device minimum");
    if (value > link.most_mtu) return No(EINVAL, "mtu greater than device maximum");
    link.mtu = value;
  }
  if (!name.empty() && name != link.name) {
    const std::string wanted = FreeName(entry.name_space, name);
    if (link.up && !link.live_rename) return No(EBUSY);
    if (IsTaken(entry.name_space, wanted)) return No(EEXIST);
    link.name = wanted;
  }
  if ((fixed.ifi_change & IFF_UP) != 0) link.up = (fixed.ifi_flags & IFF_UP) != 0;
  for (const auto& [type, info] : Split(Find(all, IFLA_VFINFO_LIST))) {
    if (type != IFLA_VF_INFO) return No(EINVAL);
    Answer set = SetVf(link, info);
    if (!set) return set;
  }
  return std::vector<NetlinkMessage>();
}

FakeRtnetlink::Answer FakeRtnetlink::RemoveAlternative(int name_space,
                                                       std::span<const std::byte> request) {
  const auto fixed = At<ifinfomsg>(request, sizeof(nlmsghdr));
  const auto found = links_.find(fixed.ifi_index);
  if (found == links_.end() || found->second.name_space != name_space) return No(ENODEV);
  const Attributes all = Split(request.subspan(sizeof(nlmsghdr) + sizeof(ifinfomsg)));
  const std::string name = Text(Find(Split(Find(all, IFLA_PROP_LIST)), IFLA_ALT_IFNAME));
  if (std::erase(found->second.interface.alternatives, name) == 0) return No(EINVAL);
  return std::vector<NetlinkMessage>();
}

// do_setvfinfo(), with the refusals of igb_ndo_set_vf_*().
FakeRtnetlink::Answer FakeRtnetlink::SetVf(FakeInterface& pf, std::span<const std::byte> info) {
  if (!pf.has_vf_calls) return No(EOPNOTSUPP);
  const auto set_vlan = [](FakeVf& vf, uint32_t vlan, uint32_t qos, uint16_t protocol) {
    if (vlan > 4095 || qos > 7) return EINVAL;
    if (protocol != 0x8100) return EPROTONOSUPPORT;
    vf.vlan = vlan;
    vf.qos = qos;
    return 0;
  };
  const auto set_rate = [&](FakeVf& vf, uint32_t min, uint32_t max) {
    if (min != 0 || !pf.up || !pf.peer || max > pf.speed) return EINVAL;
    vf.max_rate = max;
    return 0;
  };
  for (const auto& [type, payload] : Split(info)) {
    std::span<const std::byte> value = payload;
    if (type == IFLA_VF_VLAN_LIST) value = Split(payload).at(0).second;
    const auto number = At<uint32_t>(value), first = At<uint32_t>(value, 4),
               second = At<uint32_t>(value, 8);
    if (number >= pf.vfs.size()) return No(EINVAL);
    FakeVf& vf = pf.vfs[number];
    int error = 0;
    switch (type) {
      case IFLA_VF_MAC:
        for (size_t i = 0; i < 6; ++i) vf.mac[i] = At<uint8_t>(value, 4 + i);
        break;
      case IFLA_VF_VLAN: error = set_vlan(vf, first, second, 0x8100); break;
      case IFLA_VF_VLAN_LIST:
        error =
            set_vlan(vf, first, second,
                     static_cast<uint16_t>(At<uint8_t>(value, 12) << 8 | At<uint8_t>(value, 13)));
        break;
      case IFLA_VF_TX_RATE: error = set_rate(vf, vf.min_rate, first); break;
      case IFLA_VF_RATE: error = pf.old_rate ? 0 : set_rate(vf, first, second); break;
      case IFLA_VF_SPOOFCHK: vf.spoof_check = first; break;
      case IFLA_VF_TRUST: vf.trust = first; break;
      case IFLA_VF_LINK_STATE:
        if (pf.sets_link_state) vf.link_state = first;
        error = pf.sets_link_state ? 0 : EOPNOTSUPP;
        break;
      default: error = EOPNOTSUPP;
    }
    if (error != 0) return No(error);
  }
  return std::vector<NetlinkMessage>();
}

FakeRtnetlink::Answer FakeRtnetlink::AddAddress(int name_space,
                                                std::span<const std::byte> request) {
  const auto fixed = At<ifaddrmsg>(request, sizeof(nlmsghdr));
  const auto found = links_.find(static_cast<int>(fixed.ifa_index));
  if (found == links_.end() || found->second.name_space != name_space) return No(ENODEV);
  const Attributes all = Split(request.subspan(sizeof(nlmsghdr) + sizeof(ifaddrmsg)));
  std::string raw = {static_cast<char>(fixed.ifa_family), static_cast<char>(fixed.ifa_prefixlen)};
  for (const std::byte each : Find(all, IFA_LOCAL)) raw += static_cast<char>(each);
  std::vector<std::string>& addresses = found->second.interface.addresses;
  if (std::ranges::find(addresses, raw) != addresses.end()) return No(EEXIST);
  addresses.push_back(raw);
  return std::vector<NetlinkMessage>();
}

FakeRtnetlink::Answer FakeRtnetlink::ListAddresses(int name_space) {
  std::vector<NetlinkMessage> answer;
  for (const auto& [index, entry] : links_) {
    if (entry.name_space != name_space) continue;
    for (const std::string& raw : entry.interface.addresses) {
      Bytes body;
      body.U8({raw[0], raw[1], 0, 0}).U32(static_cast<uint32_t>(index));
      body.Add(Attribute(IFA_ADDRESS, AsBytes(std::string_view(raw).substr(2))));
      answer.push_back(Message(RTM_NEWADDR, NLM_F_MULTI, body.get()));
    }
  }
  return answer;
}

}  // namespace drapci::test
