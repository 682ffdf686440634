#include "plugin/network_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "hal/net/link.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

using LinkState = hal::VfSettings::LinkState;

constexpr size_t kMaxAddresses = 16;              // as many as a claim's status can tell
constexpr int64_t kMinMtu = 68, kMaxMtu = 65535;  // RFC 791; what IPv4 can carry

template <class T>
using Choices = std::initializer_list<std::pair<std::string_view, T>>;

template <class T>
Result<std::optional<T>> Choice(const JsonField& field, Choices<T> choices) {
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(const std::string text, field.Text());
  std::string allowed;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", name);
  }
  return Fail(
      field.Wrong(fmt::format("'{}' is unknown; allowed are {}", Printable(text, 100), allowed)));
}

template <class T>
Result<std::optional<T>> Number(const JsonField& field, int64_t least, int64_t most) {
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(const int64_t number, field.Integer(least, most));
  return static_cast<T>(number);
}

Result<std::optional<bool>> Flag(const JsonField& field) {
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(const bool flag, field.Flag());
  return flag;
}

// Bits a second as whole Mbit/s, which is what the kernel takes, in 32 bits.
Result<std::optional<int64_t>> Rate(const JsonField& field) {
  constexpr int64_t kMega = 1'000'000, kMost = std::numeric_limits<uint32_t>::max();
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(const int64_t rate, field.Quantity());
  const int64_t megabits = rate / kMega + (rate % kMega == 0 ? 0 : 1);
  if (rate < 0 || megabits > kMost) {
    return Fail(field.Wrong(fmt::format("must be 0 (none) to {}M, in bit/s", kMost)));
  }
  return megabits;
}

Result<std::optional<std::string>> Mac(const JsonField& field) {
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(std::string mac, field.Text());
  std::ranges::transform(mac, mac.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!hal::IsMacAddress(mac)) {
    return Fail(field.Wrong(
        fmt::format("'{}' is no address such as 02:11:22:33:44:55", Printable(mac, 100))));
  }
  // The lowest bit of the first octet marks a group (IEEE 802-2014, 8.2).
  const bool group = std::string_view("13579bdf").contains(mac[1]);
  if (group || mac == "00:00:00:00:00:00") {
    return Fail(field.Wrong(fmt::format("{} is {}; it must be the address of one interface", mac,
                                        group ? "a multicast address" : "all zero")));
  }
  return mac;
}

Result<std::optional<std::string>> Interface(const JsonField& field) {
  if (!field.present()) return std::nullopt;
  DRAPCI_TRY(std::string name, field.Text());
  if (!hal::IsInterfaceName(name)) {
    return Fail(
        field.Wrong(fmt::format("'{}' is no name of an interface: 1 to 15 characters, no "
                                "'/', ':' or blank",
                                Printable(name, 100))));
  }
  // It ends up in environments, in logs and in the claim's status.
  if (Printable(name, name.size()) != name) {
    return Fail(field.Wrong(
        fmt::format("'{}' has a character that cannot be printed", Printable(name, 100))));
  }
  if (name == "lo") return Fail(field.Wrong("every container has an interface 'lo' already"));
  return name;
}

Result<std::optional<std::vector<std::string>>> Addresses(const JsonField& field) {
  if (!field.present()) return std::nullopt;
  std::vector<std::string> addresses;
  DRAPCI_TRY(const auto items, field.Items(kMaxAddresses));
  for (const JsonField& item : items) {
    DRAPCI_TRY(const std::string text, item.Text());
    std::string address = hal::CanonicalAddress(text);
    if (address.empty()) {
      return Fail(item.Wrong(fmt::format("'{}' is no address with its prefix, such as 10.0.0.2/24",
                                         Printable(text, 100))));
    }
    if (std::ranges::find(addresses, address) != addresses.end()) {
      return Fail(item.Wrong(fmt::format("{} is there twice", address)));
    }
    addresses.push_back(std::move(address));
  }
  return addresses;
}

Result<> DecodeVf(const JsonField& from, hal::VfSettings& vf) {
  DRAPCI_TRY(vf.mac, Mac(from["mac"]));
  DRAPCI_TRY(vf.vlan, Number<int>(from["vlan"], 0, 4094));
  DRAPCI_TRY(vf.qos, Number<int>(from["vlanQos"], 0, 7));
  DRAPCI_TRY(vf.service_vlan,
             Choice<bool>(from["vlanProtocol"], {{"802.1Q", false}, {"802.1ad", true}}));
  DRAPCI_TRY(vf.min_rate, Rate(from["minRate"]));
  DRAPCI_TRY(vf.max_rate, Rate(from["maxRate"]));
  if (vf.max_rate.value_or(0) > 0 && vf.min_rate.value_or(0) > *vf.max_rate) {
    return Fail(from["minRate"].Wrong("is above maxRate"));
  }
  DRAPCI_TRY(vf.spoof_check, Flag(from["spoofCheck"]));
  DRAPCI_TRY(vf.trust, Flag(from["trust"]));
  DRAPCI_TRY(vf.link_state,
             Choice<LinkState>(from["linkState"], {{"auto", LinkState::kAuto},
                                                   {"enable", LinkState::kEnable},
                                                   {"disable", LinkState::kDisable}}));
  return {};
}

Result<> OverlayVf(const hal::VfSettings& from, const ConfigOverlay& overlay, hal::VfSettings& to) {
  constexpr std::string_view kVlan = "decides which network the device is in";
  overlay.Lay(from.mac, to.mac);
  DRAPCI_CHECK(overlay.LayReserved("vlan", kVlan, from.vlan, to.vlan));
  DRAPCI_CHECK(overlay.LayReserved("vlanQos", kVlan, from.qos, to.qos));
  DRAPCI_CHECK(overlay.LayReserved("vlanProtocol", kVlan, from.service_vlan, to.service_vlan));
  DRAPCI_CHECK(overlay.LayReserved("minRate", "is taken from everybody else on the card",
                                   from.min_rate, to.min_rate));
  // A claim may ask for less than its class allows, not for more; 0 is no limit at all.
  const int64_t limit = to.max_rate.value_or(0), asked = from.max_rate.value_or(limit);
  if (overlay.by_claim() && limit > 0 && (asked == 0 || asked > limit)) {
    return overlay.Deny("maxRate", fmt::format("is above the limit of {}M", limit));
  }
  overlay.Lay(from.max_rate, to.max_rate);
  DRAPCI_CHECK(overlay.LayReserved("spoofCheck", "false lets the device pretend to be another",
                                   from.spoof_check, to.spoof_check, false));
  DRAPCI_CHECK(overlay.LayReserved("trust", "true lets the device see what is for others",
                                   from.trust, to.trust, true));
  return overlay.LayReserved("linkState", "reaches beyond the device", from.link_state,
                             to.link_state);
}

}  // namespace

Result<NetworkConfig> DecodeNetworkConfig(const JsonField& parameters) {
  DRAPCI_CHECK(parameters.HasOnly({"apiVersion", "kind", "mac", "vlan", "vlanQos", "vlanProtocol",
                                   "minRate", "maxRate", "spoofCheck", "trust", "linkState", "mtu",
                                   "interface", "addresses", "namespace", "bandwidth"}));
  NetworkConfig config;
  DRAPCI_CHECK(DecodeVf(parameters, config.vf));
  DRAPCI_TRY(config.interface, Interface(parameters["interface"]));
  DRAPCI_TRY(config.mtu, Number<int64_t>(parameters["mtu"], kMinMtu, kMaxMtu));
  DRAPCI_TRY(config.addresses, Addresses(parameters["addresses"]));
  DRAPCI_TRY(config.stay,
             Choice<bool>(parameters["namespace"], {{"container", false}, {"host", true}}));
  DRAPCI_TRY(config.advisory_rate,
             Choice<bool>(parameters["bandwidth"], {{"enforced", false}, {"advisory", true}}));
  return config;
}

Result<> Overlay(const NetworkConfig& from, const ConfigOverlay& overlay, NetworkConfig& to) {
  DRAPCI_CHECK(OverlayVf(from.vf, overlay, to.vf));
  overlay.Lay(from.interface, to.interface);
  overlay.Lay(from.mtu, to.mtu);
  overlay.Lay(from.addresses, to.addresses);
  DRAPCI_CHECK(overlay.LayReserved("namespace", "host leaves the interface to the whole node",
                                   from.stay, to.stay, true));
  return overlay.LayReserved("bandwidth", "advisory holds the device to no share",
                             from.advisory_rate, to.advisory_rate, true);
}

hal::NetworkRequest ToNetworkRequest(const NetworkConfig& config) {
  hal::NetworkRequest request;
  request.vf = config.vf;
  request.interface = config.interface.value_or("");
  request.mtu = config.mtu;
  request.addresses = config.addresses.value_or(std::vector<std::string>());
  request.stay = config.stay.value_or(false);
  request.advisory_rate = config.advisory_rate.value_or(false);
  return request;
}

}  // namespace drapci::plugin
