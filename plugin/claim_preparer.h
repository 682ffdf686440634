// From a claim's name to a prepared claim: what the kubelet's call means, without gRPC.
#pragma once

#include <functional>
#include <string>

#include "driver/manager.h"
#include "plugin/kube_api.h"

namespace drapci::plugin {

// A claim as the kubelet names it.
struct ClaimReference {
  std::string namespace_name, name, uid;
};

// Any thread. Must outlive the calls that it has been given.
class ClaimPreparer {
 public:
  // `claims` is null when nothing is configured that claims could be read from; only those that are
  // held already can then be prepared.
  ClaimPreparer(driver::Manager& manager, KubeApi* claims, std::string driver_name);

  // Reads the claim, checks that it is the one asked for (a name can be given to a new claim, a UID
  // cannot) and allocated, and prepares it. A UID that is held prepared is answered from what is
  // stored, without reading the claim: restarts of the kubelet work with the API server away.
  // `done` is called once, on any thread, perhaps within the call.
  void Prepare(ClaimReference claim, std::function<void(Result<driver::PreparedClaim>)> done);

 private:
  Result<driver::ClaimRequest> Check(const ClaimReference& claim, const std::string& json) const;

  driver::Manager& manager_;
  KubeApi* claims_;
  std::string driver_name_;
};

}  // namespace drapci::plugin
