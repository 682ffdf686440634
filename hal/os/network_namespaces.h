// Other network namespaces: speaking rtnetlink in them, and finding an interface that went there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

class NetworkNamespaces {
 public:
  virtual ~NetworkNamespaces() = default;
  // The network namespaces there are, without the caller's own: of processes (/proc/*/ns/net), and
  // mounted ones (nsfs in /proc/self/mountinfo). Each once.
  virtual Result<std::vector<UniqueFd>> List() = 0;
  // The caller's own.
  virtual Result<UniqueFd> Own() = 0;
  // Rtnetlink inside the namespace; each call enters it on a thread of its own. Needs
  // CAP_SYS_ADMIN.
  // `name_space` must outlive the result.
  virtual std::unique_ptr<Netlink> Enter(const UniqueFd& name_space) = 0;
};

class KernelNetworkNamespaces : public NetworkNamespaces {
 public:
  Result<std::vector<UniqueFd>> List() override;
  Result<UniqueFd> Own() override;
  std::unique_ptr<Netlink> Enter(const UniqueFd& name_space) override;
};

}  // namespace drapci::hal
