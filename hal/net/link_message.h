// The rtnetlink messages about network interfaces, as bytes: requests out, answers in.
//
// Pure functions around libmnl (include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h). The parsers
// take any bytes, skip what they do not know and are fuzzed. Requests are complete from their
// nlmsghdr on; Netlink::Talk fills in sequence and port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hal/net/link.h"
#include "hal/net/vf_settings.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

// RTM_GETLINK. With `vfs` the answer describes every VF, without counters: the kernel has no
// request for one.
NetlinkMessage GetLinkRequest(std::string_view name);
NetlinkMessage GetLinkRequest(int index, bool vfs);
NetlinkMessage ListLinksRequest();

// RTM_SETLINK for interface `index`.
NetlinkMessage UpRequest(int index, bool up);
NetlinkMessage MtuRequest(int index, int64_t mtu);
NetlinkMessage NameRequest(int index, std::string_view name);
NetlinkMessage MoveRequest(int index, int fd, std::string_view name);
// RTM_DELLINKPROP: takes an alternative name away.
NetlinkMessage RemoveAlternativeNameRequest(int index, std::string_view name);

// RTM_SETLINK with one setting of one VF: IFLA_VFINFO_LIST of one IFLA_VF_INFO with one attribute.
NetlinkMessage VfMacRequest(int index, int vf, std::string_view mac);  // IsMacAddress(mac)
NetlinkMessage VfVlanRequest(int index, int vf, int vlan, int qos, bool service);
NetlinkMessage VfRateRequest(int index, int vf, int64_t min, int64_t max);
NetlinkMessage VfMaxRateRequest(int index, int vf, int64_t max);  // kernels before 3.16
NetlinkMessage VfSpoofCheckRequest(int index, int vf, bool on);
NetlinkMessage VfTrustRequest(int index, int vf, bool on);
NetlinkMessage VfLinkStateRequest(int index, int vf, VfSettings::LinkState state);

// RTM_NEWADDR and the dump of RTM_GETADDR. Nothing when `address` is none.
std::optional<NetlinkMessage> AddAddressRequest(int index, std::string_view address);
NetlinkMessage ListAddressesRequest();

// An RTM_NEWLINK; nothing for another message, and for one without index and name.
std::optional<Link> ParseLink(std::span<const std::byte> message);

// What an RTM_NEWLINK says about one VF.
struct VfAnswer {
  Link link;
  std::optional<int> vfs;  // IFLA_NUM_VF; unset when the interface is not one of a device
  bool lists_vfs = false;  // the driver tells something about its VFs
  // What it tells. The kernel cuts a list that is too long for its attribute; a VF that is not in
  // it has nothing set here.
  VfSettings settings;
};
std::optional<VfAnswer> ParseVf(std::span<const std::byte> message, int vf);

// The address of an RTM_NEWADDR of interface `index`, "10.0.0.2/24".
std::optional<std::string> ParseAddress(std::span<const std::byte> message, int index);

}  // namespace drapci::hal
