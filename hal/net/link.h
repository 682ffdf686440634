// Network interfaces by rtnetlink (include/uapi/linux/rtnetlink.h, if_link.h).
//
// Any thread; every call is one message and its answer, in the network namespace of `netlink`. The
// kernel's refusals keep their errno; where it gave a text of its own that is in the error too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hal/net/vf_settings.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

struct Link {
  int index = 0;
  std::string name, mac;
  int64_t mtu = 0;
  bool up = false;       // IFF_UP: the administrator's wish
  bool carrier = false;  // IFF_LOWER_UP: there is a peer
  std::string parent;    // IFLA_PARENT_DEV_NAME: "0000:02:00.0"; empty on kernels before 5.14
};

// kGone when there is no such interface in the namespace of `netlink`.
Result<Link> FindLink(Netlink& netlink, std::string_view name);
Result<Link> FindLink(Netlink& netlink, int index);
Result<std::vector<Link>> ListLinks(Netlink& netlink);

// The settings of VF `vf` of the PF whose interface has `index`, as far as its driver tells. kGone
// when there is no such VF, kUnsupported when the driver tells nothing. The kernel describes all
// VFs in one message; where they are too many for it, nothing is known of those behind.
Result<VfSettings> ReadVf(Netlink& netlink, int index, int vf);

// Sets what is set in `want` and differs now, one message each, in the order mac, vlan, rate, spoof
// check, trust, link state: the kernel applies the attributes of one message one after another and
// stops in the middle. Stops at the first that is refused; what was set stays. The error names the
// setting, the value, the kernel's reason and, where it is known, what the reason means:
// "tx rate 20000 Mbit/s of VF 3 of enp2s0: EINVAL (Invalid argument); ...".
Result<> ApplyVf(Netlink& netlink, int index, int vf, const VfSettings& want);

Result<> SetLinkUp(Netlink& netlink, int index, bool up);
Result<> SetLinkMtu(Netlink& netlink, int index, int64_t mtu);
// EBUSY on kernels before 6.2 while it is up; EEXIST when another interface has the name. Where it
// has the name as an alternative one already (udev keeps there what it would have called it), that
// is taken away first, as the kernel demands.
Result<> RenameLink(Netlink& netlink, int index, std::string_view name);
// Moves it to the namespace behind `fd`, under `name`, in one message; it arrives down and without
// addresses. EEXIST when the name is taken there: whether it has moved then, under its present
// name, must be looked at. kFreeName lets the kernel choose a name.
Result<> MoveLink(Netlink& netlink, int index, int fd, std::string_view name);
inline constexpr std::string_view kFreeName = "dev%d";

// "10.0.0.2/24", "fd00::2/64". An address that is there already is success.
Result<> AddAddress(Netlink& netlink, int index, std::string_view address);
// The addresses of an interface, as AddAddress takes them.
Result<std::vector<std::string>> ListAddresses(Netlink& netlink, int index);

// Canonical "addr/prefix" of an interface address, host bits kept; empty when it is none: not one
// address with a prefix length, unspecified, multicast or broadcast. Pure; fuzzed.
std::string CanonicalAddress(std::string_view text);

// The legal names of an interface (dev_valid_name(), net/core/dev.c): 1 to 15 bytes, no '/', ':',
// white space or NUL, not "." or "..". '%' is refused as well: the kernel takes it for a pattern.
bool IsInterfaceName(std::string_view name);

}  // namespace drapci::hal
