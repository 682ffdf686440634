// NETLINK_GENERIC for the simulated machine (kGenericRelaySuffix, hal/os/netlink.h): devlink, from
// the model alone.
#pragma once

#include <functional>
#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/sim/front/control.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

class GenericRelay {
 public:
  // As Relay (relay.h).
  GenericRelay(Kernel& kernel, WriteTrap& trap, std::function<void()> refresh)
      : kernel_(kernel), trap_(trap), refresh_(std::move(refresh)) {}
  // Listens at `path` until the process ends.
  Result<> Start(const std::string& path);

 private:
  void Serve(UniqueFd connection) const;

  Kernel& kernel_;
  WriteTrap& trap_;
  std::function<void()> refresh_;
  UniqueFd listener_;
};

}  // namespace drapci::sim
