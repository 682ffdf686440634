// What the kubelet calls: the DRA plugin service in all its versions, and the registration.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "driver/manager.h"
#include "plugin/claim_preparer.h"

namespace grpc {
class Service;
}

namespace drapci::plugin {

// NodePrepareResources and NodeUnprepareResources of k8s.io.kubelet.pkg.apis.dra v1 and v1beta1.
//
// The claims of a call are worked on side by side, each by itself: every UID gets an answer, a
// failure is that claim's error text and never the call's. A call that the kubelet gives up (45 s)
// is worked off all the same; its repetition finds the result. Must outlive the server that serves
// it.
class DraService {
 public:
  explicit DraService(ClaimPreparer& preparer);
  ~DraService();

  std::vector<grpc::Service*> services();
  // "v1.DRAPlugin", "v1beta1.DRAPlugin": the kubelet takes the first that it knows.
  static std::vector<std::string> Versions();

 private:
  std::vector<std::unique_ptr<grpc::Service>> services_;
};

// pluginregistration.Registration: answers from memory, since the kubelet waits one second. That
// the kubelet refuses the plugin is logged as an error; the kubelet tries again by itself.
class RegistrationService {
 public:
  // `versions`: the services that the endpoint has, DraService::Versions() first.
  RegistrationService(std::string driver_name, std::string endpoint,
                      std::vector<std::string> versions);
  ~RegistrationService();

  std::vector<grpc::Service*> services();

 private:
  std::unique_ptr<grpc::Service> service_;
};

}  // namespace drapci::plugin
