#include "hal/net/link.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/netlink.h>

#include <algorithm>
#include <limits>

#include "hal/net/link_message.h"
#include "hal/net/refusal.h"

namespace drapci::hal {
namespace {

std::string Interface(int index) { return fmt::format("network interface {}", index); }

// One request without an answer of interest.
Result<> Order(Netlink& netlink, const NetlinkMessage& request, std::string_view what) {
  const auto done = netlink.Talk(NETLINK_ROUTE, request);
  if (!done) return Fail(RefusalOf(done.error(), what));
  return {};
}

// The first message of the answer that `parse` takes.
template <class Parse>
auto Ask(Netlink& netlink, const NetlinkMessage& request, const std::string& what, Parse parse)
    -> Result<typename decltype(parse(NetlinkMessage()))::value_type> {
  const auto messages = netlink.Talk(NETLINK_ROUTE, request);
  if (!messages) return Fail(RefusalOf(messages.error(), what));
  for (const NetlinkMessage& message : *messages) {
    if (auto found = parse(message)) return *std::move(found);
  }
  return Fail(Code::kIo, fmt::format("{}: the kernel's answer does not describe it", what));
}

Result<VfAnswer> AskVf(Netlink& netlink, int index, int vf) {
  DRAPCI_TRY(VfAnswer answer, Ask(netlink, GetLinkRequest(index, true), Interface(index),
                                  [&](const NetlinkMessage& m) { return ParseVf(m, vf); }));
  if (vf < 0 || vf >= answer.vfs.value_or(0)) {
    return Fail(
        {Code::kGone, ENODEV,
         fmt::format("{} has no VF {}, it has {}", answer.link.name, vf, answer.vfs.value_or(0))});
  }
  if (!answer.lists_vfs) {
    return Fail(Code::kUnsupported,
                fmt::format("the driver of {} does not tell or set anything about its VFs",
                            answer.link.name));
  }
  return answer;
}

// What a refusal of a VF setting is known to mean.
std::string_view Meaning(const Error& error, const Link& link, bool rate, bool minimum) {
  switch (error.sys) {
    case EOPNOTSUPP: return "the driver cannot set it";
    case EPROTONOSUPPORT: return "the driver cannot do 802.1ad";
    case EPERM: return "it needs CAP_NET_ADMIN";
    case ENODEV: return "the interface is gone";
    case EAGAIN:
    case EBUSY: return "the VF is being reset";
    case EINVAL: break;
    default: return {};
  }
  if (!link.up) return "drivers refuse while the interface of the PF is down";
  if (rate && !link.carrier) return "its link is down, so it has no speed to take a share of";
  if (minimum) return "many drivers take no minimum";
  if (rate) return "drivers refuse a rate above the speed of the link";
  return {};
}

// Sets one thing after another, until one is refused.
class VfWriter {
 public:
  VfWriter(Netlink& netlink, const VfAnswer& now, int vf) : netlink_(netlink), now_(now), vf_(vf) {}

  Result<> SetMac(const VfSettings& want) {
    if (!want.mac || want.mac == now_.settings.mac) return {};
    return Set(VfMacRequest(index(), vf_, *want.mac), fmt::format("MAC address {}", *want.mac));
  }

  Result<> SetVlan(const VfSettings& want) {
    const VfSettings& now = now_.settings;
    const VfSettings vlan_only{
        .vlan = want.vlan, .qos = want.qos, .service_vlan = want.service_vlan};
    if (vlan_only.HoldsIn(now)) return {};
    const int vlan = want.vlan.value_or(now.vlan.value_or(0));
    // VLAN 0 switches all of it off.
    const int qos = want.qos.value_or(vlan == 0 ? 0 : now.qos.value_or(0));
    const bool service = want.service_vlan.value_or(vlan != 0 && now.service_vlan.value_or(false));
    return Set(VfVlanRequest(index(), vf_, vlan, qos, service),
               fmt::format("{}VLAN {}{}", service ? "802.1ad " : "", vlan,
                           qos == 0 ? "" : fmt::format(" with priority {}", qos)));
  }

  Result<> SetRate(const VfSettings& want) {
    const VfSettings& now = now_.settings;
    if (VfSettings{.min_rate = want.min_rate, .max_rate = want.max_rate}.HoldsIn(now)) return {};
    const int64_t min = want.min_rate.value_or(now.min_rate.value_or(0));
    const int64_t max = want.max_rate.value_or(now.max_rate.value_or(0));
    const std::string what = min == 0 ? fmt::format("tx rate {} Mbit/s", max)
                                      : fmt::format("tx rate {} to {} Mbit/s", min, max);
    // A message with both would set a minimum that is not known to 0.
    const bool max_only = !want.min_rate && !now.min_rate;
    return Set(
        max_only ? VfMaxRateRequest(index(), vf_, max) : VfRateRequest(index(), vf_, min, max),
        what, true, min != 0);
  }

  Result<> SetSpoofCheck(const VfSettings& want) {
    if (!want.spoof_check || want.spoof_check == now_.settings.spoof_check) return {};
    return Set(VfSpoofCheckRequest(index(), vf_, *want.spoof_check),
               fmt::format("spoof check {}", *want.spoof_check ? "on" : "off"));
  }

  Result<> SetTrust(const VfSettings& want) {
    if (!want.trust || want.trust == now_.settings.trust) return {};
    return Set(VfTrustRequest(index(), vf_, *want.trust),
               fmt::format("trust {}", *want.trust ? "on" : "off"));
  }

  Result<> SetLinkState(const VfSettings& want) {
    if (!want.link_state || want.link_state == now_.settings.link_state) return {};
    const VfSettings only{.link_state = want.link_state};
    return Set(VfLinkStateRequest(index(), vf_, *want.link_state),
               fmt::format("link state {}", only.ToString().substr(sizeof "link=" - 1)));
  }

 private:
  int index() const { return now_.link.index; }

  Result<> Set(const NetlinkMessage& request, std::string_view what, bool rate = false,
               bool minimum = false) {
    auto done =
        Order(netlink_, request, fmt::format("{} of VF {} of {}", what, vf_, now_.link.name));
    if (done) return {};
    const std::string_view meaning = Meaning(done.error(), now_.link, rate, minimum);
    if (!meaning.empty()) done.error().what += fmt::format("; {}", meaning);
    return done;
  }

  Netlink& netlink_;
  const VfAnswer& now_;
  const int vf_;
};

std::unexpected<Error> NoName(std::string_view name) {
  return Fail(Code::kInvalid,
              fmt::format("'{}' can be no network interface's name: 1 to 15 bytes without blank, "
                          "'/', ':' or '%'",
                          name));
}

}  // namespace

Result<Link> FindLink(Netlink& netlink, std::string_view name) {
  if (!IsInterfaceName(name)) return NoName(name);
  return Ask(netlink, GetLinkRequest(name), fmt::format("network interface '{}'", name), ParseLink);
}

Result<Link> FindLink(Netlink& netlink, int index) {
  return Ask(netlink, GetLinkRequest(index, false), Interface(index), ParseLink);
}

Result<std::vector<Link>> ListLinks(Netlink& netlink) {
  const auto messages = netlink.Talk(NETLINK_ROUTE, ListLinksRequest());
  if (!messages) return Fail(RefusalOf(messages.error(), "list the network interfaces"));
  std::vector<Link> links;
  for (const NetlinkMessage& message : *messages) {
    if (auto link = ParseLink(message)) links.push_back(*std::move(link));
  }
  return links;
}

Result<VfSettings> ReadVf(Netlink& netlink, int index, int vf) {
  DRAPCI_TRY(VfAnswer answer, AskVf(netlink, index, vf));
  return std::move(answer.settings);
}

Result<> ApplyVf(Netlink& netlink, int index, int vf, const VfSettings& want) {
  if (VfSettings::Parse(want.ToString()) != want) {
    return Fail(Code::kInvalid,
                fmt::format("'{}' are no settings that a VF can have", want.ToString()));
  }
  DRAPCI_TRY(const VfAnswer now, AskVf(netlink, index, vf));
  VfWriter writer(netlink, now, vf);
  DRAPCI_CHECK(writer.SetMac(want));
  DRAPCI_CHECK(writer.SetVlan(want));
  DRAPCI_CHECK(writer.SetRate(want));
  DRAPCI_CHECK(writer.SetSpoofCheck(want));
  DRAPCI_CHECK(writer.SetTrust(want));
  return writer.SetLinkState(want);
}

Result<> SetLinkUp(Netlink& netlink, int index, bool up) {
  return Order(netlink, UpRequest(index, up),
               fmt::format("set {} {}", Interface(index), up ? "up" : "down"));
}

Result<> SetLinkMtu(Netlink& netlink, int index, int64_t mtu) {
  if (mtu <= 0 || mtu > std::numeric_limits<int>::max()) {
    return Fail(Code::kInvalid, fmt::format("{} is no MTU", mtu));
  }
  return Order(netlink, MtuRequest(index, mtu), fmt::format("MTU {} of {}", mtu, Interface(index)));
}

Result<> RenameLink(Netlink& netlink, int index, std::string_view name) {
  if (!IsInterfaceName(name)) return NoName(name);
  const std::string what = fmt::format("name '{}' of {}", name, Interface(index));
  auto done = Order(netlink, NameRequest(index, name), what);
  if (done || done.error().sys != EEXIST) return done;
  const auto holder = FindLink(netlink, name);  // by alternative names, too
  if (!holder || holder->index != index) return done;
  DRAPCI_CHECK(Order(netlink, RemoveAlternativeNameRequest(index, name), what));
  return Order(netlink, NameRequest(index, name), what);
}

Result<> MoveLink(Netlink& netlink, int index, int fd, std::string_view name) {
  if (!IsInterfaceName(name) && name != kFreeName) return NoName(name);
  return Order(netlink, MoveRequest(index, fd, name),
               fmt::format("move {} to another network namespace as '{}'", Interface(index), name));
}

Result<> AddAddress(Netlink& netlink, int index, std::string_view address) {
  const auto request = AddAddressRequest(index, address);
  if (!request) {
    return Fail(Code::kInvalid,
                fmt::format("'{}' is no address for an interface; write \"10.0.0.2/24\" or "
                            "\"fd00::2/64\"",
                            address));
  }
  auto done = Order(netlink, *request, fmt::format("address {} of {}", address, Interface(index)));
  if (!done && done.error().sys == EEXIST) return {};
  return done;
}

Result<std::vector<std::string>> ListAddresses(Netlink& netlink, int index) {
  const auto messages = netlink.Talk(NETLINK_ROUTE, ListAddressesRequest());
  if (!messages) {
    return Fail(
        RefusalOf(messages.error(), fmt::format("list the addresses of {}", Interface(index))));
  }
  std::vector<std::string> addresses;
  for (const NetlinkMessage& message : *messages) {
    if (auto address = ParseAddress(message, index)) addresses.push_back(*std::move(address));
  }
  return addresses;
}

bool IsInterfaceName(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  // isspace() of the kernel takes 0xa0 (a blank of Latin-1) as well.
  constexpr std::string_view kNever("/:% \t\n\v\f\r\xa0\0", 11);
  return name.find_first_of(kNever) == std::string_view::npos;
}

}  // namespace drapci::hal
