// Generic netlink messages of the simulated kernel: answers put together, requests taken apart.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "hal/base/parse.h"
#include "hal/os/netlink.h"

namespace drapci::sim {

inline constexpr size_t kGenericHeaders = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(genlmsghdr));
inline constexpr size_t kEthernetLength = 6;

// One message, attribute by attribute.
class GenericMessage {
 public:
  GenericMessage(uint16_t family, uint8_t command, bool multi) {
    nlmsghdr header{};
    header.nlmsg_type = family;
    header.nlmsg_flags = multi ? NLM_F_MULTI : 0;
    const genlmsghdr generic{.cmd = command, .version = 1, .reserved = 0};
    Raw(&header, sizeof header);
    Raw(&generic, sizeof generic);
  }
  template <class T>
  void Put(uint16_t type, const T& value) {
    Bytes(type, &value, sizeof value);
  }
  void Text(uint16_t type, const std::string& text) { Bytes(type, text.c_str(), text.size() + 1); }
  void Bytes(uint16_t type, const void* data, size_t size) {
    const nlattr header{.nla_len = static_cast<uint16_t>(MNL_ATTR_HDRLEN + size), .nla_type = type};
    Raw(&header, sizeof header);
    Raw(data, size);
  }
  template <class Inside>
  void Nest(uint16_t type, Inside inside) {
    const size_t at = bytes_.size();
    Bytes(static_cast<uint16_t>(type | NLA_F_NESTED), nullptr, 0);
    inside();
    const auto length = static_cast<uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &length, sizeof length);
  }
  hal::NetlinkMessage Take() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof length);
    return std::move(bytes_);
  }

 private:
  void Raw(const void* data, size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    bytes_.resize(MNL_ALIGN(bytes_.size()));
  }
  hal::NetlinkMessage bytes_;
};

inline std::array<uint8_t, kEthernetLength> MacBytes(const std::string& text) {
  std::array<uint8_t, kEthernetLength> bytes{};
  const auto octets = Split(text, ':');
  for (size_t i = 0; i < std::min(bytes.size(), octets.size()); ++i) {
    bytes[i] = ParseHex<uint8_t>(octets[i]).value_or(0);
  }
  return bytes;
}

// The attributes of a message or a nest by type; of several of a type the last one counts.
inline std::map<uint16_t, const nlattr*> AttributesIn(const void* begin, size_t size) {
  std::map<uint16_t, const nlattr*> found;
  const auto* attribute = static_cast<const nlattr*>(begin);
  const char* end = static_cast<const char*>(begin) + size;
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    found[mnl_attr_get_type(attribute)] = attribute;
    attribute = mnl_attr_next(attribute);
  }
  return found;
}

struct GenericRequest {
  uint8_t command = 0;
  bool dump = false;
  std::map<uint16_t, const nlattr*> attributes;

  template <class T>
  std::optional<T> Get(uint16_t type) const {
    return From<T>(attributes, type);
  }
  std::optional<std::string> Text(uint16_t type) const {
    const auto found = attributes.find(type);
    if (found == attributes.end()) return std::nullopt;
    const std::string text(static_cast<const char*>(mnl_attr_get_payload(found->second)),
                           mnl_attr_get_payload_len(found->second));
    return text.substr(0, text.find('\0'));
  }
  std::map<uint16_t, const nlattr*> Nest(uint16_t type) const {
    const auto found = attributes.find(type);
    if (found == attributes.end()) return {};
    return AttributesIn(mnl_attr_get_payload(found->second),
                        mnl_attr_get_payload_len(found->second));
  }
  template <class T>
  static std::optional<T> From(const std::map<uint16_t, const nlattr*>& from, uint16_t type) {
    const auto found = from.find(type);
    if (found == from.end() || mnl_attr_get_payload_len(found->second) < sizeof(T)) {
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, mnl_attr_get_payload(found->second), sizeof value);
    return value;
  }
};

}  // namespace drapci::sim
