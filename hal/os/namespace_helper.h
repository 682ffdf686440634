// Network namespaces by way of a process that may enter them, so that its caller need not.
//
// The helper (drapci-namespaces@.service) reads nothing: whoever connects gets one rtnetlink socket
// of each network namespace, each with one datagram, and then one datagram without.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/network_namespaces.h"

namespace drapci::hal {

// Where drapci-namespaces.socket listens.
inline constexpr const char* kNamespaceHelper = "/run/drapci/namespaces.sock";

// The helper's side: answers on the connected SOCK_SEQPACKET socket `fd`. Leaves the calling thread
// in another network namespace. A namespace that cannot be entered is left out.
Result<> ServeNamespaces(NetworkNamespaces& namespaces, int fd);

// The caller's side. Where nobody listens at `helper` (no systemd, a container), namespaces are
// entered directly. What List returns is good for Enter alone, one thread at a time.
class HelpedNetworkNamespaces : public NetworkNamespaces {
 public:
  explicit HelpedNetworkNamespaces(std::string helper) : helper_(std::move(helper)) {}
  Result<std::vector<UniqueFd>> List() override;
  Result<UniqueFd> Own() override { return kernel_.Own(); }
  std::unique_ptr<Netlink> Enter(const UniqueFd& name_space) override;

 private:
  const std::string helper_;
  KernelNetworkNamespaces kernel_;
};

}  // namespace drapci::hal
