// rtnetlink's language for the interfaces of the model: requests taken apart, answers put together.
//
// For FakeNetlink, which answers from the model alone, and for the relay of drapci-sim, which adds
// to the answers of a real kernel. Independent of hal/net, which is tested by it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/os/netlink.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// The kernel's no: its errno and its words, if any (NLMSGERR_ATTR_MSG).
struct Refusal {
  int error = 0;
  std::string text = {};
};

// One setting of IFLA_VFINFO_LIST.
struct VfRequest {
  unsigned vf = 0;
  std::optional<VfChange> change = {};  // nothing: what no simulated driver can (RSS, GUIDs)
  bool maximum_only = false;            // IFLA_VF_TX_RATE leaves the minimum rate as it is
};

// RTM_GETLINK, RTM_SETLINK or RTM_NEWLINK.
struct LinkRequest {
  int index = 0;  // 0: by name
  std::string name = {};
  uint32_t filter = 0;          // RTEXT_FILTER_*
  InterfaceChange change = {};  // but for the namespace
  std::optional<int> namespace_fd = {}, namespace_pid = {};
  std::vector<VfRequest> vfs = {};  // in the order in which the kernel does them
  bool has_vf_list = false;
};

// EINVAL for what is cut short, ERANGE for an attribute that is too short.
std::expected<LinkRequest, Refusal> ParseLinkRequest(std::span<const std::byte> request);

// The interface of the model that a request is about, in `name_space`.
std::optional<Interface> FindLink(const Kernel& kernel, uint64_t name_space,
                                  const LinkRequest& request);

// Sets one VF setting after another; stops at the first refusal.
std::expected<void, Refusal> SetVfs(Kernel& kernel, const PciAddress& pf,
                                    const std::vector<VfRequest>& requests);

// `request` without its IFLA_VFINFO_LIST.
hal::NetlinkMessage WithoutVfs(std::span<const std::byte> request);

// RTM_NEWLINK for an interface, as far as any interface has it.
hal::NetlinkMessage LinkMessage(const Interface& net, uint16_t flags);
// Adds what only an interface with a PCI function behind it has: the parent, and with
// RTEXT_FILTER_VF in `filter` the VFs.
void AddParentAndVfs(const Kernel& kernel, const Interface& net, uint32_t filter,
                     hal::NetlinkMessage& message);

// NLMSG_ERROR for `request`, as the kernel makes it for a socket with NETLINK_CAP_ACK and
// NETLINK_EXT_ACK; `refusal.error` 0 acknowledges.
hal::NetlinkMessage ErrorMessage(std::span<const std::byte> request, const Refusal& refusal);

}  // namespace drapci::sim
