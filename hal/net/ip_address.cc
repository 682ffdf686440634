// IP addresses of interfaces: their texts and their messages.
#include <arpa/inet.h>
#include <fmt/format.h>

#include "hal/base/parse.h"
#include "hal/net/link_message.h"
#include "hal/net/message.h"

namespace drapci::hal {
namespace {

// An IPv4 or IPv6 address as bytes in network order.
struct IpAddress {
  int family = AF_UNSPEC;
  uint8_t prefix = 0;
  std::array<std::byte, sizeof(in6_addr)> bytes = {};
  size_t length() const { return family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr); }
};

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  const size_t slash = text.find('/');
  // inet_pton wants a C string: a NUL inside would end it early.
  if (slash == std::string_view::npos || text.contains('\0')) return std::nullopt;
  IpAddress address;
  const std::string host(text.substr(0, slash));
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, host.c_str(), address.bytes.data()) != 1) continue;
    address.family = family;
    break;
  }
  if (address.family == AF_UNSPEC) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  const auto prefix = ParseInt<uint8_t>(digits);
  if (!prefix || *prefix > address.length() * 8 || std::to_string(*prefix) != digits) {
    return std::nullopt;
  }
  address.prefix = *prefix;
  return address;
}

std::string FormatIpAddress(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  ::inet_ntop(address.family, address.bytes.data(), text.data(), text.size());
  return fmt::format("{}/{}", text.data(), address.prefix);
}

// Whether an interface can have it.
bool IsUnicast(const IpAddress& address) {
  const auto bytes = std::span(address.bytes).first(address.length());
  const auto all = [&](std::byte value) {
    return std::ranges::all_of(bytes, [&](std::byte each) { return each == value; });
  };
  if (all(std::byte{0})) return false;
  if (address.family == AF_INET6) return bytes[0] != std::byte{0xff};
  return (bytes[0] & std::byte{0xf0}) != std::byte{0xe0} && !all(std::byte{0xff});
}

}  // namespace

std::optional<NetlinkMessage> AddAddressRequest(int index, std::string_view text) {
  const auto address = ParseIpAddress(text);
  if (!address || !IsUnicast(*address)) return std::nullopt;
  ifaddrmsg fixed = {};
  fixed.ifa_family = static_cast<uint8_t>(address->family);
  fixed.ifa_prefixlen = address->prefix;
  fixed.ifa_index = static_cast<uint32_t>(index);
  const auto bytes = std::span(address->bytes).first(address->length());
  return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, fixed)
      .PutBytes(IFA_LOCAL, bytes)
      .PutBytes(IFA_ADDRESS, bytes)
      .Take();
}

NetlinkMessage ListAddressesRequest() {
  return Request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}).Take();
}

std::optional<std::string> ParseAddress(std::span<const std::byte> message, int index) {
  ifaddrmsg fixed = {};
  const auto body = Body(message, RTM_NEWADDR, fixed);
  if (!body || index <= 0 || fixed.ifa_index != static_cast<uint32_t>(index)) return std::nullopt;
  if (fixed.ifa_family != AF_INET && fixed.ifa_family != AF_INET6) return std::nullopt;
  IpAddress address{.family = fixed.ifa_family, .prefix = fixed.ifa_prefixlen};
  // With a peer IFA_ADDRESS is the peer's, and IFA_LOCAL the interface's own.
  bool local = false, any = false;
  ForEachAttribute(*body, [&](uint16_t type, std::span<const std::byte> payload) {
    const bool own = type == IFA_LOCAL;
    if ((!own && (type != IFA_ADDRESS || local)) || payload.size() != address.length()) return true;
    std::ranges::copy(payload, address.bytes.begin());
    local = local || own;
    any = true;
    return true;
  });
  if (!any || address.prefix > address.length() * 8) return std::nullopt;
  return FormatIpAddress(address);
}

std::string CanonicalAddress(std::string_view text) {
  const auto address = ParseIpAddress(text);
  return address && IsUnicast(*address) ? FormatIpAddress(*address) : std::string();
}

}  // namespace drapci::hal
