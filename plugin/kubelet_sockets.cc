#include "plugin/kubelet_sockets.h"

#include <fmt/format.h>

#include "plugin/text.h"

namespace drapci::plugin {
namespace {

// What systemd keeps the sockets under.
constexpr const char *kServiceName = "dra", *kRegistrationName = "registration";
// The kubelet's own modes (pkg/kubelet/kubelet.go, pluginwatcher/plugin_watcher.go).
constexpr mode_t kRootMode = 0750, kRegistryMode = 0755;

// What the kubelet is told that the service socket has, in the order in which it should choose.
std::vector<std::string> Versions(bool with_health) {
  std::vector<std::string> versions = DraService::Versions();
  if (with_health) {
    for (std::string& version : health::HealthService::Versions()) {
      versions.push_back(std::move(version));
    }
  }
  return versions;
}

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Result<KubeletPaths> MakeKubeletPaths(const std::string& root, const std::string& driver_name) {
  std::string base = root;
  while (base.size() > 1 && base.ends_with('/')) base.pop_back();
  KubeletPaths paths{
      .service = fmt::format("{}/plugins/{}/dra.sock", base, driver_name),
      .registration = fmt::format("{}/plugins_registry/{}-reg.sock", base, driver_name),
  };
  if (paths.registration.size() > kMaxSocketPath) {
    paths.registration =
        fmt::format("{}/plugins_registry/dra-{}-reg.sock", base, StableHash(driver_name));
  }
  DRAPCI_CHECK(CheckSocketPath(paths.service));
  DRAPCI_CHECK(CheckSocketPath(paths.registration));
  return paths;
}

KubeletSockets::KubeletSockets(KubeletPaths paths, const std::string& driver_name,
                               ClaimPreparer& preparer, health::HealthService* health)
    : paths_(std::move(paths)),
      dra_(preparer),
      health_(health),
      registration_(driver_name, paths_.service, Versions(health != nullptr)) {}

Result<> KubeletSockets::CheckFree(const ListeningSockets& listening, const std::string& root,
                                   const std::string& driver_name) {
  DRAPCI_TRY(const KubeletPaths paths, MakeKubeletPaths(root, driver_name));
  DRAPCI_CHECK(listening.CheckFree({.path = paths.service, .name = kServiceName}));
  return listening.CheckFree({.path = paths.registration, .name = kRegistrationName});
}

Result<std::unique_ptr<KubeletSockets>> KubeletSockets::Start(ListeningSockets& listening,
                                                              const std::string& root,
                                                              const std::string& driver_name,
                                                              ClaimPreparer& preparer,
                                                              health::HealthService* health) {
  DRAPCI_TRY(KubeletPaths paths, MakeKubeletPaths(root, driver_name));
  DRAPCI_CHECK(MakeDirectories(DirectoryOf(paths.service), kRootMode));
  DRAPCI_CHECK(MakeDirectories(DirectoryOf(paths.registration), kRegistryMode));
  std::unique_ptr<KubeletSockets> sockets(
      new KubeletSockets(std::move(paths), driver_name, preparer, health));
  std::vector<grpc::Service*> services = sockets->dra_.services();
  if (health != nullptr) {
    for (grpc::Service* service : health->services()) services.push_back(service);
  }
  DRAPCI_TRY(sockets->dra_server_,
             SocketServer::Start(listening, {.path = sockets->paths_.service, .name = kServiceName},
                                 services));
  DRAPCI_TRY(sockets->registration_server_,
             SocketServer::Start(listening,
                                 {.path = sockets->paths_.registration, .name = kRegistrationName},
                                 sockets->registration_.services()));
  return sockets;
}

void KubeletSockets::Stop(std::chrono::milliseconds grace) {
  registration_server_->Unlink();
  registration_server_->Stop(grace);
  dra_server_->Unlink();
  // A stream would go on until the grace is over.
  if (health_ != nullptr) health_->Close();
  dra_server_->Stop(grace);
}

}  // namespace drapci::plugin
