// Everything that drapcid is made of, in the order of its dependencies.
#pragma once

#include <memory>
#include <string>

#include "driver/config.h"
#include "driver/node.h"
#include "hal/drm/drm.h"
#include "hal/fpga/image_store.h"
#include "hal/nvml/system_nvml.h"
#include "hal/os/host.h"
#include "hal/os/namespace_helper.h"
#include "hal/pci/scan.h"
#include "plugin/claim_directory.h"
#include "plugin/claim_preparer.h"
#include "plugin/control_service.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/watchdog.h"
#include "plugin/kubelet_sockets.h"
#include "plugin/socket_server.h"

namespace drapci::plugin {

class Server {
 public:
  // Recovers what the last run left, then serves the control socket and, unless standalone, the
  // kubelet. Signals must be blocked already: the threads that start here must not take them.
  static Result<std::unique_ptr<Server>> Start(const driver::Config& config,
                                               ListeningSockets& sockets,
                                               const std::string& version);

  // Deregisters from the kubelet, lets running calls finish, stops the driver.
  ~Server();

  // Has the watchdog ask every loop of the daemon, as long as the server lives.
  void Show(Watchdog& watchdog);

  // What it serves at this moment, for the log.
  std::string Summary() const;

 private:
  // For `drapci slices`.
  SlicesView Slices() const;
  Result<> CheckSockets(const ListeningSockets& sockets) const;
  Result<> Serve(ListeningSockets& sockets, const std::string& version);
  explicit Server(const driver::Config& config);

  driver::Config config_;
  const std::string node_name_;
  hal::KernelSysfs sysfs_;
  hal::KernelDevIo dev_;
  hal::KernelNetlink netlink_;
  hal::HelpedNetworkNamespaces namespaces_{hal::kNamespaceHelper};
  hal::SystemClock clock_;
  hal::ImageStore images_;
  hal::SystemDrm drm_;
  hal::SystemNvml nvml_;  // loaded when there is a GPU to ask about
  std::unique_ptr<hal::DeviceEvents> events_;
  std::unique_ptr<hal::Host> host_;
  std::unique_ptr<hal::PciScanner> scanner_;
  std::unique_ptr<driver::Node> node_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<ClaimDirectory> claims_;
  std::unique_ptr<ClaimPreparer> preparer_;
  std::unique_ptr<ControlService> control_;
  std::unique_ptr<SocketServer> control_server_;
  std::unique_ptr<KubeletSockets> kubelet_;
};

}  // namespace drapci::plugin
