// Everything that drapcid is made of, in the order of its dependencies.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
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
#include "plugin/health/feed.h"
#include "plugin/health/health_service.h"
#include "plugin/health/journal.h"
#include "plugin/kubelet_sockets.h"
#include "plugin/metrics/metrics.h"
#include "plugin/metrics/metrics_server.h"
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

  // What it serves at this moment, for the log and for systemd.
  std::string Summary() const;
  std::string StatusLine() const;

 private:
  // For `drapci slices`.
  SlicesView Slices() const;
  Result<> CheckSockets(const ListeningSockets& sockets) const;
  Result<> Serve(ListeningSockets& sockets, const std::string& version);
  void Looked(const driver::Snapshot& snapshot);
  metrics::Sources MetricsSources();
  void ServeMetrics();
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
  std::unique_ptr<metrics::Metrics> metrics_;
  std::unique_ptr<driver::Node> node_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<ClaimDirectory> claims_;
  std::unique_ptr<ClaimPreparer> preparer_;
  std::atomic<bool> ready_ = false;  // the status line is ours
  std::mutex nudge_mutex_;
  health::HealthFeed* nudged_ = nullptr;  // calls that finish change the status line
  health::HealthLog health_log_;          // of the feed's thread
  std::unique_ptr<health::HealthFeed> feed_;
  std::unique_ptr<health::HealthService> health_;
  std::unique_ptr<ControlService> control_;
  std::unique_ptr<SocketServer> control_server_;
  std::unique_ptr<KubeletSockets> kubelet_;
  std::unique_ptr<metrics::MetricsServer> metrics_server_;
};

}  // namespace drapci::plugin
