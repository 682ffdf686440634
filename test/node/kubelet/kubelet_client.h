// The kubelet's side of the two sockets, as Kubernetes 1.34 and later speak to a DRA driver.
#pragma once

#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/proto/dra_health_v1.grpc.pb.h"
#include "plugin/proto/dra_health_v1alpha1.grpc.pb.h"
#include "plugin/proto/dra_v1.grpc.pb.h"
#include "plugin/proto/dra_v1beta1.grpc.pb.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"
#include "test/node/support/claim_files.h"

namespace drapci::test {

// A plaintext connection to a unix socket. `authority` empty: what gRPC makes of the path.
std::shared_ptr<grpc::Channel> Dial(const std::string& socket, const std::string& authority = "");

inline std::string RegistrationSocket(const std::string& kubelet_root,
                                      const std::string& driver = "dra.pci") {
  return kubelet_root + "/plugins_registry/" + driver + "-reg.sock";
}
inline std::string ServiceSocket(const std::string& kubelet_root,
                                 const std::string& driver = "dra.pci") {
  return kubelet_root + "/plugins/" + driver + "/dra.sock";
}

inline std::chrono::system_clock::time_point In(std::chrono::milliseconds time) {
  return std::chrono::system_clock::now() + time;
}

// A unix socket of the test's own, connected to `path` or bound there: `attach` is connect(2) or
// bind(2). Empty when it fails.
UniqueFd RawSocket(const std::string& path, int (*attach)(int, const sockaddr*, socklen_t));

// The two versions of the service, for templates.
struct V1 {
  using Plugin = k8s::io::kubelet::pkg::apis::dra::v1::DRAPlugin;
  using PrepareRequest = k8s::io::kubelet::pkg::apis::dra::v1::NodePrepareResourcesRequest;
  using PrepareResponse = k8s::io::kubelet::pkg::apis::dra::v1::NodePrepareResourcesResponse;
  using UnprepareRequest = k8s::io::kubelet::pkg::apis::dra::v1::NodeUnprepareResourcesRequest;
  using UnprepareResponse = k8s::io::kubelet::pkg::apis::dra::v1::NodeUnprepareResourcesResponse;
};
struct V1beta1 {
  using Plugin = k8s::io::kubelet::pkg::apis::dra::v1beta1::DRAPlugin;
  using PrepareRequest = k8s::io::kubelet::pkg::apis::dra::v1beta1::NodePrepareResourcesRequest;
  using PrepareResponse = k8s::io::kubelet::pkg::apis::dra::v1beta1::NodePrepareResourcesResponse;
  using UnprepareRequest = k8s::io::kubelet::pkg::apis::dra::v1beta1::NodeUnprepareResourcesRequest;
  using UnprepareResponse =
      k8s::io::kubelet::pkg::apis::dra::v1beta1::NodeUnprepareResourcesResponse;
};

// The service of one version. Any thread.
template <class V>
class KubeletClient {
 public:
  explicit KubeletClient(std::shared_ptr<grpc::Channel> channel)
      : stub_(V::Plugin::NewStub(channel)) {}

  grpc::Status Prepare(const std::vector<ClaimObject>& claims,
                       typename V::PrepareResponse& response,
                       std::chrono::milliseconds deadline = std::chrono::seconds(45)) {
    typename V::PrepareRequest request;
    for (const ClaimObject& claim : claims) Add(claim, request);
    grpc::ClientContext context;
    context.set_deadline(In(deadline));
    return stub_->NodePrepareResources(&context, request, &response);
  }

  grpc::Status Unprepare(const std::vector<ClaimObject>& claims,
                         typename V::UnprepareResponse& response,
                         std::chrono::milliseconds deadline = std::chrono::seconds(45)) {
    typename V::UnprepareRequest request;
    for (const ClaimObject& claim : claims) Add(claim, request);
    grpc::ClientContext context;
    context.set_deadline(In(deadline));
    return stub_->NodeUnprepareResources(&context, request, &response);
  }

 private:
  template <class Request>
  static void Add(const ClaimObject& claim, Request& request) {
    auto* added = request.add_claims();
    added->set_namespace_(claim.namespace_name);
    added->set_name(claim.name);
    added->set_uid(claim.uid);
  }

  std::unique_ptr<typename V::Plugin::Stub> stub_;
};

// The two versions of the health service, for templates.
struct HealthV1 {
  static constexpr const char* kName = "v1.DRAResourceHealth";
  using Api = v1::DRAResourceHealth;
  using Request = v1::NodeWatchResourcesRequest;
  using Response = v1::NodeWatchResourcesResponse;
  using Device = v1::DeviceHealth;
};
struct HealthV1alpha1 {
  static constexpr const char* kName = "v1alpha1.DRAResourceHealth";
  using Api = v1alpha1::DRAResourceHealth;
  using Request = v1alpha1::NodeWatchResourcesRequest;
  using Response = v1alpha1::NodeWatchResourcesResponse;
  using Device = v1alpha1::DeviceHealth;
};

// A stream on which a kubelet hears of the devices' condition. Reads block until something comes,
// the stream ends, or `patience` is over since it was opened. One thread.
template <class V>
class HealthStream {
 public:
  explicit HealthStream(std::shared_ptr<grpc::Channel> channel,
                        std::chrono::milliseconds patience = std::chrono::seconds(60))
      : stub_(V::Api::NewStub(channel)) {
    context_.set_deadline(In(patience));
    reader_ = stub_->NodeWatchResources(&context_, typename V::Request());
  }

  // Whether something came; then it is in last().
  bool Next() { return reader_->Read(&last_); }
  const typename V::Response& last() const { return last_; }
  // Reads until the device is in that state (0 unknown, 1 healthy, 2 unhealthy).
  bool Until(const std::string& device, int state) {
    while (Next()) {
      const typename V::Device* found = Find(device);
      if (found != nullptr && static_cast<int>(found->health()) == state) return true;
    }
    return false;
  }
  const typename V::Device* Find(const std::string& device) const {
    for (const typename V::Device& each : last_.devices()) {
      if (each.device().device_name() == device) return &each;
    }
    return nullptr;
  }
  void Cancel() { context_.TryCancel(); }
  // Reads on to the end.
  grpc::Status End() {
    while (Next()) {
    }
    return reader_->Finish();
  }

 private:
  std::unique_ptr<typename V::Api::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<typename V::Response>> reader_;
  typename V::Response last_;
};

// One claim by v1: the answer's bytes, to be compared. kTimeout when the deadline passed, kBusy
// when the daemon is not there, kIo with the claim's own error or any other of the call.
Result<std::string> PrepareOn(const std::shared_ptr<grpc::Channel>& channel,
                              const ClaimObject& claim,
                              std::chrono::milliseconds deadline = std::chrono::seconds(45));
Result<> UnprepareOn(const std::shared_ptr<grpc::Channel>& channel, const ClaimObject& claim,
                     std::chrono::milliseconds deadline = std::chrono::seconds(45));

}  // namespace drapci::test
