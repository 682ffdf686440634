// Giving a network interface to a container.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/netlink.h"
#include "hal/os/network_namespaces.h"
#include "hal/os/sysfs.h"
#include "hal/pci/device_place.h"

namespace drapci::plugin {

struct Attachment {
  hal::DevicePlace function;
  std::string name;  // in the container
  std::optional<int64_t> mtu;
  std::vector<std::string> addresses;
};

// The machine, as the hook sees it.
struct HookHost {
  const hal::Sysfs& sysfs;
  hal::Netlink& netlink;
  hal::NetworkNamespaces& namespaces;
  // Calls `done` again whenever an interface has come or gone, until it returns true or a few
  // seconds have passed; false then.
  std::function<bool(const std::function<bool()>& done)> wait_for_link;
};

// Moves the interface of the function, or sub-function, into `container`, names and addresses it,
// and brings it up. Repeating it (another container of the same network namespace) changes nothing.
// An interface that has not yet come back from a container that has ended is waited for. kBusy when
// another container has it.
Result<> Attach(HookHost& host, const UniqueFd& container, const Attachment& wish);

}  // namespace drapci::plugin
