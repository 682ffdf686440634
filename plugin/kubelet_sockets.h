// The two sockets below the kubelet's root directory.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "plugin/claim_preparer.h"
#include "plugin/health/health_service.h"
#include "plugin/kubelet_service.h"
#include "plugin/socket_server.h"

namespace drapci::plugin {

struct KubeletPaths {
  std::string service;       // ROOT/plugins/DRIVER/dra.sock
  std::string registration;  // ROOT/plugins_registry/DRIVER-reg.sock
};

// Where the sockets of `driver_name` lie. A registration socket whose name would be too long for
// kMaxSocketPath is called "dra-<hash of the driver's name>-reg.sock"; kInvalid, with path and
// limit, when that doesn't fit either, or the service socket doesn't. Pure.
Result<KubeletPaths> MakeKubeletPaths(const std::string& root, const std::string& driver_name);

// Serves the kubelet while it exists.
class KubeletSockets {
 public:
  // Fails as Start would when somebody else serves the sockets; changes nothing.
  static Result<> CheckFree(const ListeningSockets& listening, const std::string& root,
                            const std::string& driver_name);

  // Creates the directories as the kubelet would, starts the service, then the registration: once
  // the kubelet sees the latter it calls the former. kBusy when another process serves either
  // socket. `health` may be null: then nothing is said of it.
  static Result<std::unique_ptr<KubeletSockets>> Start(ListeningSockets& listening,
                                                       const std::string& root,
                                                       const std::string& driver_name,
                                                       ClaimPreparer& preparer,
                                                       health::HealthService* health);

  // Deregisters by taking the registration socket away, unless it is kept for the next daemon, then
  // lets running calls finish within `grace`.
  void Stop(std::chrono::milliseconds grace);

  const KubeletPaths& paths() const { return paths_; }
  // The one with the claims, and the one with the registration. Until Stop.
  SocketServer& service() { return *dra_server_; }
  SocketServer& registration() { return *registration_server_; }

 private:
  KubeletSockets(KubeletPaths paths, const std::string& driver_name, ClaimPreparer& preparer,
                 health::HealthService* health);

  KubeletPaths paths_;
  DraService dra_;
  health::HealthService* const health_;
  RegistrationService registration_;
  std::unique_ptr<SocketServer> dra_server_, registration_server_;
};

}  // namespace drapci::plugin
