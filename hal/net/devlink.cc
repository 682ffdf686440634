#include "hal/net/devlink.h"

#include <fmt/format.h>
#include <linux/devlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "hal/net/devlink_message.h"
#include "hal/net/refusal.h"
#include "hal/net/vf_settings.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kModes[] = {"legacy", "switchdev", "switchdev_inactive"};
constexpr std::string_view kFlavours[] = {"physical", "cpu",     "dsa",    "pcipf",
                                          "pcivf",    "virtual", "unused", "pcisf"};

// What an errno is known to mean here.
std::string_view Meaning(int error) {
  switch (error) {
    case EOPNOTSUPP: return "its driver or firmware cannot do it, or not in this mode";
    case EPERM: return "it needs CAP_NET_ADMIN";
    case ENODEV: return "there is no such devlink device or port: is its driver bound?";
    case EBUSY: return "it is in use";
    default: return {};
  }
}

// The kernel's own words explain more.
std::unexpected<Error> Refuse(const Error& error, std::string_view what) {
  Error refusal = RefusalOf(error, what);
  const std::string_view meaning = Meaning(error.sys);
  const bool explained = refusal.what != Error::FromErrno(error.sys, what).what;
  if (!meaning.empty() && !explained) refusal.what += fmt::format("; {}", meaning);
  return Fail(std::move(refusal));
}

using Messages = std::vector<NetlinkMessage>;

Result<Messages> Ask(Netlink& netlink, const NetlinkMessage& request, std::string_view what) {
  auto answer = netlink.Talk(NETLINK_GENERIC, request);
  if (!answer) return Refuse(answer.error(), what);
  return std::move(*answer);
}

Result<> Order(Netlink& netlink, const NetlinkMessage& request, std::string_view what) {
  DRAPCI_TRY(const Messages answer, Ask(netlink, request, what));
  static_cast<void>(answer);
  return {};
}

std::string PortOf(const DevlinkDevice& device, uint32_t port) {
  return fmt::format("devlink port {}/{}", device.ToString(), port);
}

// What of a dump is about `device`.
template <class Parse>
auto AskAll(Netlink& netlink, const NetlinkMessage& request, const DevlinkDevice& device,
            std::string_view what, Parse parse)
    -> Result<std::vector<typename decltype(parse(NetlinkMessage()))::value_type>> {
  DRAPCI_TRY(const Messages answer, Ask(netlink, request, what));
  std::vector<typename decltype(parse(NetlinkMessage()))::value_type> found;
  for (const NetlinkMessage& message : answer) {
    if (ParseDevlinkDevice(message) != device) continue;
    if (auto each = parse(message)) found.push_back(*std::move(each));
  }
  return found;
}

std::string Describe(const DevlinkRateChange& change) {
  std::string text;
  if (change.tx_share) text += fmt::format(" tx_share {} byte/s", *change.tx_share);
  if (change.tx_max) text += fmt::format(" tx_max {} byte/s", *change.tx_max);
  if (change.parent) text += fmt::format(" parent '{}'", *change.parent);
  return text;
}

}  // namespace

std::string_view NameOf(EswitchMode mode) { return kModes[static_cast<size_t>(mode)]; }

std::optional<EswitchMode> ParseEswitchMode(std::string_view text) {
  const auto* const found = std::ranges::find(kModes, text);
  if (found == std::end(kModes)) return std::nullopt;
  return static_cast<EswitchMode>(found - std::begin(kModes));
}

std::string_view NameOf(PortFlavour flavour) { return kFlavours[static_cast<size_t>(flavour)]; }

Result<Devlink> Devlink::Open(Netlink& netlink) {
  const auto answer = netlink.Talk(NETLINK_GENERIC, FamilyRequest("devlink"));
  if (!answer && answer.error().sys != ENOENT) {
    return Refuse(answer.error(), "look for devlink in the kernel");
  }
  for (const NetlinkMessage& message : answer.value_or(Messages())) {
    if (const auto family = ParseFamily(message)) return Devlink(netlink, *family);
  }
  return Fail(Code::kUnsupported, "the kernel has no devlink (CONFIG_NET_DEVLINK)");
}

Result<std::vector<DevlinkDevice>> Devlink::Devices() const {
  DRAPCI_TRY(const Messages answer,
             Ask(netlink_, DevlinkListRequest(family_), "list the devlink devices"));
  std::vector<DevlinkDevice> devices;
  for (const NetlinkMessage& message : answer) {
    if (auto device = ParseDevlinkDevice(message)) devices.push_back(*std::move(device));
  }
  return devices;
}

Result<DevlinkInfo> Devlink::Info(const DevlinkDevice& device) const {
  const std::string what = fmt::format("devlink info of {}", device.ToString());
  DRAPCI_TRY(const Messages answer,
             Ask(netlink_, DevlinkRequest(family_, DEVLINK_CMD_INFO_GET, device, false), what));
  if (answer.empty()) return Fail(Code::kIo, fmt::format("{}: the kernel's answer is empty", what));
  return ParseDevlinkInfo(answer.front());
}

Result<EswitchMode> Devlink::Eswitch(const DevlinkDevice& device) const {
  const std::string what = fmt::format("eswitch mode of {}", device.ToString());
  DRAPCI_TRY(const Messages answer,
             Ask(netlink_, DevlinkRequest(family_, DEVLINK_CMD_ESWITCH_GET, device, false), what));
  for (const NetlinkMessage& message : answer) {
    if (const auto mode = ParseEswitch(message)) return *mode;
  }
  return Fail(Code::kUnsupported, fmt::format("{}: its driver does not tell one", what));
}

Result<> Devlink::SetEswitch(const DevlinkDevice& device, EswitchMode mode) const {
  return Order(netlink_, EswitchRequest(family_, device, mode),
               fmt::format("eswitch mode {} of {}", NameOf(mode), device.ToString()));
}

Result<std::vector<DevlinkPort>> Devlink::Ports(const DevlinkDevice& device) const {
  return AskAll(netlink_, DevlinkRequest(family_, DEVLINK_CMD_PORT_GET, device, true), device,
                fmt::format("devlink ports of {}", device.ToString()),
                [](const NetlinkMessage& message) { return ParseDevlinkPort(message); });
}

Result<> Devlink::SetHardwareAddress(const DevlinkDevice& device, uint32_t port,
                                     std::string_view mac) const {
  if (!IsMacAddress(mac)) return Fail(Code::kInvalid, fmt::format("'{}' is no MAC address", mac));
  return Order(netlink_, HardwareAddressRequest(family_, device, port, mac),
               fmt::format("hw_addr {} of {}", mac, PortOf(device, port)));
}

Result<> Devlink::SetActive(const DevlinkDevice& device, uint32_t port, bool active) const {
  return Order(netlink_, ActiveRequest(family_, device, port, active),
               fmt::format("state {} of {}", active ? "active" : "inactive", PortOf(device, port)));
}

Result<DevlinkPort> Devlink::AddSubFunction(const DevlinkDevice& device, uint32_t pf,
                                            uint32_t sf) const {
  const std::string what = fmt::format("sub-function {} of {}", sf, device.ToString());
  DRAPCI_TRY(const Messages answer,
             Ask(netlink_, AddSubFunctionRequest(family_, device, pf, sf), what));
  for (const NetlinkMessage& message : answer) {
    if (auto port = ParseDevlinkPort(message)) return *std::move(port);
  }
  // Kernels before 6.4 may only tell those who listen.
  DRAPCI_TRY(const std::vector<DevlinkPort> ports, Ports(device));
  const auto port = std::ranges::find_if(ports, [&](const DevlinkPort& each) {
    return each.flavour == PortFlavour::kPciSf && each.sf == sf && !each.external;
  });
  if (port != ports.end()) return *port;
  return Fail(Code::kIo, fmt::format("{}: the kernel does not tell its port", what));
}

Result<> Devlink::RemovePort(const DevlinkDevice& device, uint32_t port) const {
  return Order(netlink_, RemovePortRequest(family_, device, port),
               fmt::format("remove {}", PortOf(device, port)));
}

Result<std::vector<DevlinkRate>> Devlink::Rates(const DevlinkDevice& device) const {
  return AskAll(netlink_, DevlinkRequest(family_, DEVLINK_CMD_RATE_GET, device, true), device,
                fmt::format("devlink rates of {}", device.ToString()),
                [](const NetlinkMessage& message) { return ParseDevlinkRate(message); });
}

Result<> Devlink::SetLeafRate(const DevlinkDevice& device, uint32_t port,
                              const DevlinkRateChange& change) const {
  return Order(netlink_, LeafRateRequest(family_, device, port, change),
               fmt::format("rate of {}:{}", PortOf(device, port), Describe(change)));
}

Result<> Devlink::AddRateNode(const DevlinkDevice& device, std::string_view node,
                              const DevlinkRateChange& change) const {
  return Order(netlink_, NodeRateRequest(family_, DEVLINK_CMD_RATE_NEW, device, node, change),
               fmt::format("new rate node {}/{}", device.ToString(), node));
}

Result<> Devlink::SetNodeRate(const DevlinkDevice& device, std::string_view node,
                              const DevlinkRateChange& change) const {
  return Order(netlink_, NodeRateRequest(family_, DEVLINK_CMD_RATE_SET, device, node, change),
               fmt::format("rate node {}/{}:{}", device.ToString(), node, Describe(change)));
}

Result<> Devlink::RemoveRateNode(const DevlinkDevice& device, std::string_view node) const {
  return Order(netlink_, NodeRateRequest(family_, DEVLINK_CMD_RATE_DEL, device, node, {}),
               fmt::format("remove rate node {}/{}", device.ToString(), node));
}

Result<std::vector<DevlinkHealthReporter>> Devlink::HealthReporters(
    const DevlinkDevice& device) const {
  return AskAll(netlink_, DevlinkRequest(family_, DEVLINK_CMD_HEALTH_REPORTER_GET, device, true),
                device, fmt::format("devlink health of {}", device.ToString()),
                [](const NetlinkMessage& message) { return ParseHealthReporter(message); });
}

}  // namespace drapci::hal
