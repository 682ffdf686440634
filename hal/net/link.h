// Network interfaces by rtnetlink (include/uapi/linux/rtnetlink.h, if_link.h).
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
  int vfs = 0;           // IFLA_NUM_VF
  std::string parent;    // IFLA_PARENT_DEV_NAME: "0000:02:00.0"; empty on old kernels
};

// kGone when there is no such interface in the namespace of `netlink`.
Result<Link> FindLink(Netlink& netlink, std::string_view name);
Result<std::vector<Link>> ListLinks(Netlink& netlink);

// The settings of VF `vf` of the PF whose interface has `index`, as far as its driver tells. kGone
// when there is no such VF, kUnsupported when the driver tells nothing.
Result<VfSettings> ReadVf(Netlink& netlink, int index, int vf);

// Sets what is set in `want` and differs now, one message each, in the order mac, vlan, rate, spoof
// check, trust, link state: the kernel applies the attributes of one message one after another and
// stops in the middle. The error names the setting, the value and the kernel's reason.
Result<> ApplyVf(Netlink& netlink, int index, int vf, const VfSettings& want);

Result<> SetLinkUp(Netlink& netlink, int index, bool up);
Result<> SetLinkMtu(Netlink& netlink, int index, int64_t mtu);
Result<> RenameLink(Netlink& netlink, int index,
                    std::string_view name);  // must be down on older kernels
// Moves it to the namespace behind `fd`, under `name`, in one message.
Result<> MoveLink(Netlink& netlink, int index, int fd, std::string_view name);
// "10.0.0.2/24", "fd00::2/64". An address that is there already is success.
Result<> AddAddress(Netlink& netlink, int index, std::string_view address);
// The addresses of an interface, as AddAddress takes them.
Result<std::vector<std::string>> ListAddresses(Netlink& netlink, int index);

// Canonical "addr/prefix" of an interface address, host bits kept; empty when it is none. Pure.
std::string CanonicalAddress(std::string_view text);

// The legal names of an interface (dev_valid_name(), net/core/dev.c): 1 to 15 bytes, no '/', ':' or
// white space, not
// "." or "..".
bool IsInterfaceName(std::string_view name);

}  // namespace drapci::hal
