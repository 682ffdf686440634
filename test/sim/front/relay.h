// NETLINK_ROUTE for the simulated machine (DRAPCI_NETLINK_RELAY, hal/os/netlink.h): the kernel's
// own, with what it does not know of simulated cards: parents, VFs and their settings.
#pragma once

#include <functional>
#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/sim/front/control.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

class Relay {
 public:
  // `refresh` brings the model up to date before it is asked. What changes an interface of a
  // simulated card counts as a write for `trap`.
  Relay(Kernel& kernel, WriteTrap& trap, std::function<void()> refresh)
      : kernel_(kernel), trap_(trap), refresh_(std::move(refresh)) {}
  // Listens at `path`, in the network namespace of the caller, until the process ends.
  Result<> Start(const std::string& path);

 private:
  Kernel& kernel_;
  WriteTrap& trap_;
  std::function<void()> refresh_;
  UniqueFd listener_;
};

}  // namespace drapci::sim
