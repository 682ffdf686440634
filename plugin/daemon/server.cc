#include "plugin/daemon/server.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <unistd.h>

#include <array>

#include "hal/base/log.h"

namespace drapci::plugin {
namespace {

// What a call that is under way may take before it is cancelled; the driver's own steps have
// deadlines.
constexpr std::chrono::seconds kGrace{20};

std::string HostName() {
  std::array<char, 256> name = {};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

void LogGrpc(gpr_log_func_args* args) {
  const LogLevel level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  Log(level, "grpc: {}", args->message);
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const driver::Config& config,
                                              const std::string& version) {
  gpr_set_log_function(LogGrpc);
  std::unique_ptr<Server> server(new Server(config));
  DRAPCI_TRY(server->events_, hal::MakeUdevEvents());
  server->host_ = std::make_unique<hal::Host>(
      hal::Host{server->sysfs_, server->dev_, server->netlink_, server->namespaces_, *server->events_, server->clock_});
  server->scanner_ = hal::MakeLibpciScanner(server->sysfs_);
  DRAPCI_TRY(server->node_, driver::Node::Open(*server->host_, *server->scanner_, server->config_));
  DRAPCI_CHECK(server->node_->Start());

  driver::Manager& manager = server->node_->manager();
  if (!config.claim_dir.empty())
    server->claims_ = std::make_unique<ClaimDirectory>(config.claim_dir);
  server->preparer_ =
      std::make_unique<ClaimPreparer>(manager, server->claims_.get(), config.driver_name);
  server->control_ = std::make_unique<ControlService>(
      manager, DaemonInfo{.version = version,
                          .driver_name = config.driver_name,
                          .node_name = config.node_name.empty() ? HostName() : config.node_name,
                          .event_source = server->events_->Source()});
  DRAPCI_CHECK(
      MakeDirectories(config.control_socket.substr(0, config.control_socket.rfind('/')), 0755));
  DRAPCI_TRY(server->control_server_,
             SocketServer::Start(
                 {.path = config.control_socket, .mode = 0660, .group = config.control_group},
                 server->control_->services()));
  if (!config.standalone) {
    DRAPCI_TRY(server->kubelet_, KubeletSockets::Start(config.kubelet_root, config.driver_name,
                                                       manager, *server->preparer_));
    Log(LogLevel::kInfo, "serving the kubelet on {}", server->kubelet_->paths().service);
  }
  return server;
}

Server::~Server() {
  if (kubelet_ != nullptr) kubelet_->Stop(kGrace);
  if (control_server_ != nullptr) control_server_->Stop(kGrace);
}

std::string Server::Summary() const {
  const auto snapshot = node_->manager().CurrentSnapshot();
  return fmt::format("{} accelerators, {} claims held", snapshot->accelerators.size(),
                     node_->manager().Claims().size());
}

}  // namespace drapci::plugin
