// Putting rtnetlink messages together and taking them apart, around libmnl. For hal/net's own
// files.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hal/net/link.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

// One request; the longest takes about a hundred bytes.
class Request {
 public:
  template <class Fixed>
  Request(uint16_t type, uint16_t flags, const Fixed& fixed) {
    header_ = mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = type;
    header_->nlmsg_flags = NLM_F_REQUEST | flags;
    std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof fixed), &fixed, sizeof fixed);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  template <class T>
  Request& Put(uint16_t type, const T& value) {
    mnl_attr_put_check(header_, buffer_.size(), type, sizeof value, &value);
    return *this;
  }
  Request& PutText(uint16_t type, std::string_view text) {
    mnl_attr_put_strz_check(header_, buffer_.size(), type, std::string(text).c_str());
    return *this;
  }
  Request& PutBytes(uint16_t type, std::span<const std::byte> bytes) {
    mnl_attr_put_check(header_, buffer_.size(), type, bytes.size(), bytes.data());
    return *this;
  }
  nlattr* Open(uint16_t type) { return mnl_attr_nest_start(header_, type); }
  void Close(nlattr* nest) { mnl_attr_nest_end(header_, nest); }

  NetlinkMessage Take() const {
    const auto bytes = std::span(buffer_).first(header_->nlmsg_len);
    return {bytes.begin(), bytes.end()};
  }

 private:
  alignas(nlmsghdr) std::array<std::byte, 512> buffer_ = {};  // padding is sent, too
  nlmsghdr* header_ = nullptr;
};

inline ifinfomsg Interface(int index) {
  ifinfomsg link = {};
  link.ifi_index = index;
  return link;
}

// A T at `offset`, if the bytes reach that far.
template <class T>
std::optional<T> CopyAt(std::span<const std::byte> bytes, size_t offset = 0) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Calls `visit(type, payload)` for each attribute until it returns false; ends at the first that
// does not fit.
template <class Visit>
void ForEachAttribute(std::span<const std::byte> bytes, Visit visit) {
  constexpr auto kCall = [](const nlattr* attribute, void* data) {
    const auto* payload = static_cast<const std::byte*>(mnl_attr_get_payload(attribute));
    const bool more = (*static_cast<Visit*>(data))(
        mnl_attr_get_type(attribute), std::span(payload, mnl_attr_get_payload_len(attribute)));
    return more ? MNL_CB_OK : MNL_CB_STOP;
  };
  mnl_attr_parse_payload(bytes.data(), bytes.size(), kCall, &visit);
}

// The attributes of a message of `type`, and its fixed part; nothing for another message.
template <class Fixed>
std::optional<std::span<const std::byte>> Body(std::span<const std::byte> message, uint16_t type,
                                               Fixed& fixed) {
  const auto header = CopyAt<nlmsghdr>(message);
  const auto part = CopyAt<Fixed>(message, MNL_NLMSG_HDRLEN);
  if (!header || !part || header->nlmsg_type != type) return std::nullopt;
  fixed = *part;
  return message.subspan(
      std::min(MNL_NLMSG_HDRLEN + size_t{MNL_ALIGN(sizeof(Fixed))}, message.size()));
}

// "02:11:22:33:44:55"
std::string HardwareAddress(std::span<const std::byte> payload);

// One attribute of RTM_NEWLINK, and its fixed part; complete is a link with index and name.
void AddLinkAttribute(uint16_t type, std::span<const std::byte> payload, Link& link);
Link LinkOf(const ifinfomsg& fixed);
bool IsComplete(const Link& link);

}  // namespace drapci::hal
