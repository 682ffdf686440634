// Uevents and device nodes of the simulated machine, made known to the real programs in its
// namespaces.
#pragma once

#include <memory>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Sends a uevent so that it comes from the kernel: a NETLINK_KOBJECT_UEVENT message to the kernel
// is broadcast to the group in the sender's network namespace, with SEQNUM added
// (lib/kobject_uevent.c uevent_net_rcv_skb; needs CAP_SYS_ADMIN over the namespace).
class UeventSocket {
 public:
  static Result<UeventSocket> Open();
  Result<> Send(const Uevent& event) const;

 private:
  explicit UeventSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// What devtmpfs does for a device with a node. Without the right to make nodes (no root on the
// host), a node is a bind mount of /dev/null, so that it is a device at least.
Result<> MakeNode(const DeviceNode& node);
void RemoveNode(const std::string& path);

}  // namespace drapci::sim
