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

// What else goes with a claim that the kubelet asks for. Any thread; must not wait for anybody.
class ClaimFollower {
 public:
  virtual ~ClaimFollower() = default;
  // The kubelet wants it prepared.
  virtual void Asked(const std::string& uid) = 0;
  // It is; `answer` may be added to. A failure is the claim's.
  virtual Result<> Prepared(const driver::ClaimRecord& record, driver::PreparedClaim& answer) = 0;
  virtual void Failed(const driver::ClaimRequest& claim, const Error& error) = 0;
  // It has been released, or was not held.
  virtual Result<> Released(const std::string& uid) = 0;
};

// Any thread. Must outlive the calls that it has been given.
class ClaimPreparer {
 public:
  // `claims` is null when nothing is configured that claims could be read from; only those that are
  // held already can then be prepared.
  // `follower` may be null.
  ClaimPreparer(driver::Manager& manager, KubeApi* claims, std::string driver_name,
                std::string node_name, ClaimFollower* follower);

  // Reads the claim, checks that it is the one asked for (a name can be given to a new claim, a UID
  // cannot) and allocated, and prepares it. A UID that is held prepared is answered from what is
  // stored, without reading the claim: restarts of the kubelet work with the API server away.
  // `done` is called once, on any thread, perhaps within the call.
  void Prepare(ClaimReference claim, std::function<void(Result<driver::PreparedClaim>)> done);

  // By UID alone; an unknown one is success.
  void Unprepare(const std::string& uid, std::function<void(Result<>)> done);

 private:
  void PrepareIt(driver::ClaimRequest request,
                 std::function<void(Result<driver::PreparedClaim>)> done);
  Result<driver::ClaimRequest> Check(const ClaimReference& claim, const std::string& json) const;

  driver::Manager& manager_;
  KubeApi* const claims_;
  const std::string driver_name_, node_name_;
  ClaimFollower* const follower_;
};

}  // namespace drapci::plugin
