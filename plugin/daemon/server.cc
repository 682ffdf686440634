#include "plugin/daemon/server.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>

#include "hal/base/log.h"
#include "plugin/slices/convert.h"
#include "plugin/slices/publisher.h"

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

// The database and what is not merged into it yet.
std::optional<uint64_t> JournalBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const char* name : {"journal.db", "journal.db-wal"}) {
    struct stat status;
    if (::stat(fmt::format("{}/{}", directory, name).c_str(), &status) == 0) {
      bytes += static_cast<uint64_t>(status.st_size);
    } else if (errno != ENOENT) {
      return std::nullopt;
    }
  }
  return bytes;
}

void LogGrpc(gpr_log_func_args* args) {
  const LogLevel level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  Log(level, "grpc: {}", args->message);
}

}  // namespace

Server::Server(const driver::Config& config)
    : config_(config),
      node_name_(config.node_name.empty() ? HostName() : config.node_name),
      images_(config.image_dir),
      nvml_(config.nvml_library.empty() ? hal::kNvmlLibrary : config.nvml_library) {
  // Better said now than by the runtime when a container starts.
  if (config_.network_devices == driver::NetworkDevices::kHook &&
      ::access(config_.hook.c_str(), X_OK) != 0) {
    Log(LogLevel::kNotice,
        "network interfaces stay in the host: the hook {} cannot be run ({}); install it, or set "
        "hook "
        "or networkDevices in the configuration",
        config_.hook, ErrnoName(errno));
    config_.network_devices = driver::NetworkDevices::kNone;
  }
}

Result<std::unique_ptr<Server>> Server::Start(const driver::Config& config,
                                              ListeningSockets& sockets,
                                              const std::string& version) {
  gpr_set_log_function(LogGrpc);
  std::unique_ptr<Server> server(new Server(config));
  DRAPCI_TRY(server->events_, hal::MakeUdevEvents());
  server->host_ =
      std::make_unique<hal::Host>(hal::Host{server->sysfs_, server->dev_, server->netlink_,
                                            server->namespaces_, *server->events_, server->clock_});
  server->host_->images = &server->images_;
  server->host_->nvml = &server->nvml_;
  server->host_->drm = &server->drm_;
  server->scanner_ = hal::MakeLibpciScanner(server->sysfs_);
  DRAPCI_TRY(server->node_, driver::Node::Open(*server->host_, *server->scanner_, server->config_));
  DRAPCI_CHECK(server->CheckSockets(sockets));
  server->metrics_ = std::make_unique<metrics::Metrics>(version, server->MetricsSources());
  server->node_->Observe(*server->metrics_);
  DRAPCI_CHECK(server->node_->Start());

  DRAPCI_CHECK(server->Serve(sockets, version));
  server->ready_ = true;
  const std::lock_guard lock(server->nudge_mutex_);
  server->nudged_ = server->feed_.get();
  return server;
}

// Recovery takes CDI files away that its journal does not know: not beside a daemon that serves.
Result<> Server::CheckSockets(const ListeningSockets& sockets) const {
  DRAPCI_CHECK(sockets.CheckFree({.path = config_.control_socket, .name = "control"}));
  if (config_.standalone) return {};
  return KubeletSockets::CheckFree(sockets, config_.kubelet_root, config_.driver_name);
}

Result<> Server::Serve(ListeningSockets& sockets, const std::string& version) {
  driver::Manager& manager = node_->manager();
  KubeApi* claims = nullptr;
  if (auto credentials = Cluster::Find(config_); credentials && !config_.standalone) {
    DRAPCI_TRY(cluster_,
               Cluster::Start(config_, *std::move(credentials), node_name_, version, manager));
    claims = &cluster_->claims();
  }
  if (!config_.claim_dir.empty()) {
    claims_ = std::make_unique<ClaimDirectory>(config_.claim_dir);
    claims = claims_.get();
  }
  preparer_ = std::make_unique<ClaimPreparer>(manager, claims, config_.driver_name, node_name_,
                                              cluster_.get());
  feed_ = std::make_unique<health::HealthFeed>(manager, clock_, node_name_,
                                               [this](const auto& snapshot) { Looked(snapshot); });
  control_ = std::make_unique<ControlService>(
      manager,
      DaemonInfo{.version = version,
                 .driver_name = config_.driver_name,
                 .node_name = node_name_,
                 .event_source = events_->Source()},
      [this](const auto& done) { done(Slices()); }, node_->monitor());
  const std::string& path = config_.control_socket;
  DRAPCI_CHECK(MakeDirectories(path.substr(0, path.rfind('/')), 0755));
  DRAPCI_TRY(
      control_server_,
      SocketServer::Start(
          sockets, {.path = path, .mode = 0660, .group = config_.control_group, .name = "control"},
          control_->services()));
  if (!config_.standalone) {
    health_ = std::make_unique<health::HealthService>(*feed_);
    DRAPCI_TRY(kubelet_, KubeletSockets::Start(sockets, config_.kubelet_root, config_.driver_name,
                                               *preparer_, health_.get()));
    Log(LogLevel::kInfo, "serving the kubelet on {}", kubelet_->paths().service);
  }
  ServeMetrics();
  return {};
}

metrics::Sources Server::MetricsSources() {
  metrics::Sources sources;
  sources.snapshot = [this] { return node_->manager().CurrentSnapshot(); };
  sources.cluster = [this]() -> std::optional<metrics::ClusterCounts> {
    if (cluster_ == nullptr) return std::nullopt;
    return cluster_->Counts();
  };
  sources.readings = [this] {
    std::vector<metrics::Reading> readings;
    if (node_->monitor() == nullptr) return readings;
    for (const auto& [card, values] : node_->monitor()->Readings()) {
      for (const hal::Reading& value : values) {
        readings.push_back({card, value.signal, value.instance, value.value});
      }
    }
    return readings;
  };
  sources.monitor = [this]() -> std::optional<metrics::MonitorCounts> {
    if (node_->monitor() == nullptr) return std::nullopt;
    const driver::MonitorStats stats = node_->monitor()->stats();
    return metrics::MonitorCounts{.looks = stats.looks,
                                  .failures = stats.failures,
                                  .changes = stats.changes,
                                  .merged = stats.suppressed,
                                  .events = stats.events,
                                  .held_up = stats.held_up};
  };
  sources.journal_bytes = [this] { return JournalBytes(config_.state_dir); };
  sources.finished = [this] {
    const std::lock_guard lock(nudge_mutex_);
    if (nudged_ != nullptr) nudged_->Nudge();
  };
  sources.health_streams = [this] { return health_ == nullptr ? 0 : health_->streams(); };
  return sources;
}

// Whoever cannot read metrics still gets claims prepared.
void Server::ServeMetrics() {
  std::string address = config_.metrics;
  if (address == "off") return;
  if (address.empty()) {
    const std::string& control = config_.control_socket;
    address = control.substr(0, control.rfind('/')) + "/metrics.sock";
  }
  auto listener = metrics::Listen(address, config_.control_group);
  if (!listener) {
    return Log(LogLevel::kWarning, "metrics cannot be read: {}", listener.error().what);
  }
  auto server =
      metrics::MetricsServer::Start(*std::move(listener), [this] { return metrics_->Scrape(); });
  if (!server) return Log(LogLevel::kWarning, "metrics cannot be read: {}", server.error().what);
  metrics_server_ = *std::move(server);
  Log(LogLevel::kInfo, "serving metrics on {}", address);
}

SlicesView Server::Slices() const {
  if (cluster_ != nullptr) return cluster_->CurrentSlices();
  SlicesView view;
  const slices::Owner owner{
      .driver_name = config_.driver_name, .node_name = node_name_, .node_uid = {}};
  view.slices = slices::Preview(owner, slices::MakePools(*node_->manager().CurrentSnapshot(),
                                                         owner.driver_name, node_name_, {}));
  view.trouble = "no API server is configured: this is what would be published";
  return view;
}

Server::~Server() {
  ready_ = false;
  {
    const std::lock_guard lock(nudge_mutex_);
    nudged_ = nullptr;
  }
  metrics_server_.reset();  // a scrape asks all that is stopped below
  if (cluster_ != nullptr) cluster_->StopReading();
  if (kubelet_ != nullptr) kubelet_->Stop(kGrace);
  if (control_ != nullptr) control_->EndStreams();
  if (control_server_ != nullptr) control_server_->Stop(kGrace);
}

void Server::Looked(const driver::Snapshot& snapshot) {
  health_log_.Look(snapshot, clock_.Now());
  metrics_->Look(snapshot);
  if (!ready_) return;
  const std::string text = health::StatusText(snapshot, node_->manager().Claims().size());
  sd_notify(0, ("STATUS=" + text).c_str());
}

std::string Server::StatusLine() const {
  driver::Manager& manager = node_->manager();
  return health::StatusText(*manager.CurrentSnapshot(), manager.Claims().size());
}

void Server::Show(Watchdog& watchdog) {
  using Answer = Watchdog::Answer;
  watchdog.Watch("kernel events", [this](Answer answer) { node_->Ask(std::move(answer)); });
  const auto watch = [&watchdog](std::string name, SocketServer& server) {
    watchdog.Watch(std::move(name), [&server](Answer answer) { server.Ask(std::move(answer)); });
  };
  watch("control socket", *control_server_);
  if (kubelet_ != nullptr) {
    watch("kubelet socket", kubelet_->service());
    watch("registration socket", kubelet_->registration());
  }
  if (cluster_ == nullptr) return;
  watchdog.Watch("API server", [this](Answer answer) { cluster_->AskLoop(std::move(answer)); });
  watchdog.Watch("inventory", [this](Answer answer) { cluster_->AskInventory(std::move(answer)); });
}

std::string Server::Summary() const {
  const auto snapshot = node_->manager().CurrentSnapshot();
  return fmt::format("{} accelerators, {} claims held", snapshot->accelerators.size(),
                     node_->manager().Claims().size());
}

}  // namespace drapci::plugin
