// The kubelet's plugin manager, in the steps of Kubernetes 1.34 and later: what it sees in
// ROOT/plugins_registry, and what it says to a socket there.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"

namespace drapci::test {

// The two calls of a registration, with the kubelet's own deadlines.
grpc::Status GetInfo(const std::shared_ptr<grpc::Channel>& channel,
                     pluginregistration::PluginInfo& info,
                     std::chrono::milliseconds deadline = std::chrono::seconds(1));
// `refusal` empty: the plugin is registered.
grpc::Status NotifyStatus(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& refusal = "",
                          std::chrono::milliseconds deadline = std::chrono::seconds(5));

// A driver that a kubelet has registered.
struct Plugin {
  pluginregistration::PluginInfo info;
  std::shared_ptr<grpc::Channel> service;  // the one connection for prepare and unprepare
};

// One life of a kubelet. One thread.
class PluginManager {
 public:
  // Makes the registry's directory where it is missing, and watches it from now on.
  explicit PluginManager(std::string kubelet_root);

  // The sockets in the registry, by path, as the walk at a kubelet's start finds them.
  std::vector<std::string> Sockets() const;
  // "+NAME" and "-NAME" for what came into the registry and left it since the last call.
  std::vector<std::string> Events();
  // The same once there are some; empty when none came in time.
  std::vector<std::string> AwaitEvents(std::chrono::milliseconds within = std::chrono::seconds(60));

  // Dial, GetInfo, the checks of a kubelet, NotifyRegistrationStatus. The error names the step.
  Result<Plugin> Register(const std::string& socket) const;

 private:
  const std::string root_, registry_;
  UniqueFd watch_;
};

// The connections that have been accepted on a unix socket, by inode, sorted; how many more wait to
// be.
std::vector<std::string> Connections(const std::string& socket);
int Waiting(const std::string& socket);

}  // namespace drapci::test
