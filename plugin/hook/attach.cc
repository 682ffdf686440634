#include "plugin/hook/attach.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/net/link.h"
#include "hal/pci/device_nodes.h"

namespace drapci::plugin {
namespace {

// The interface at home; nothing when it is not there.
std::optional<std::string> AtHome(const HookHost& host, const hal::DevicePlace& function) {
  const auto names = hal::NetworkInterfaces(host.sysfs, function);
  if (!names || names->empty()) return std::nullopt;
  return names->front();
}

// As the kernel calls the interface's parent: "0000:02:10.6", "mlx5_core.sf.4".
std::string DeviceOf(const hal::Sysfs& sysfs, const hal::DevicePlace& function) {
  if (!function.sf) return function.function.ToString();
  const auto path = function.Path(sysfs);
  return path ? path->substr(path->rfind('/') + 1) : function.ToString();
}

// The interface in another namespace: by its function where the kernel tells (Linux 5.14 and
// newer), else by its name.
std::optional<hal::Link> In(const hal::Sysfs& sysfs, hal::Netlink& netlink,
                            const Attachment& wish) {
  const auto links = hal::ListLinks(netlink);
  if (!links) return std::nullopt;
  const std::string device = DeviceOf(sysfs, wish.function);
  const auto found = std::ranges::find_if(*links, [&](const hal::Link& link) {
    return link.parent == device || (link.parent.empty() && link.name == wish.name);
  });
  if (found == links->end()) return std::nullopt;
  return *found;
}

Result<> Configure(hal::Netlink& netlink, const Attachment& wish) {
  DRAPCI_TRY(const hal::Link link, hal::FindLink(netlink, wish.name));
  if (wish.mtu && *wish.mtu != link.mtu) {
    DRAPCI_CHECK(hal::SetLinkMtu(netlink, link.index, *wish.mtu));
  }
  for (const std::string& address : wish.addresses) {
    DRAPCI_CHECK(hal::AddAddress(netlink, link.index, address));
  }
  if (!link.up) DRAPCI_CHECK(hal::SetLinkUp(netlink, link.index, true));
  return {};
}

}  // namespace

Result<> Attach(HookHost& host, const UniqueFd& container, const Attachment& wish) {
  const auto inside = host.namespaces.Enter(container);
  std::optional<std::string> home;
  bool moved = false;
  const bool found = host.wait_for_link([&] {
    home = AtHome(host, wish.function);
    if (!home) moved = In(host.sysfs, *inside, wish).has_value();
    return home || moved;
  });
  if (!found) {
    return Fail(
        Code::kBusy,
        fmt::format("the network interface of {} is neither in the host nor in this container: "
                    "another container has it",
                    wish.function.ToString()));
  }
  if (home) {
    DRAPCI_TRY(const hal::Link link, hal::FindLink(host.netlink, *home));
    DRAPCI_CHECK(hal::MoveLink(host.netlink, link.index, container.get(), wish.name));
  }
  return Configure(*inside, wish);
}

}  // namespace drapci::plugin
