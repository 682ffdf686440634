#include "plugin/kubelet_service.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <mutex>

#include "hal/base/log.h"
#include "plugin/proto/dra_v1.grpc.pb.h"
#include "plugin/proto/dra_v1beta1.grpc.pb.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

namespace dra_v1 = ::k8s::io::kubelet::pkg::apis::dra::v1;
namespace dra_v1beta1 = ::k8s::io::kubelet::pkg::apis::dra::v1beta1;

// The versions differ in their names, and in the share that only v1 can tell.
struct V1 {
  using Service = dra_v1::DRAPlugin::CallbackService;
  using PrepareRequest = dra_v1::NodePrepareResourcesRequest;
  using PrepareResponse = dra_v1::NodePrepareResourcesResponse;
  using UnprepareRequest = dra_v1::NodeUnprepareResourcesRequest;
  using UnprepareResponse = dra_v1::NodeUnprepareResourcesResponse;
  static void SetShare(const std::string& share_id, dra_v1::Device& device) {
    if (!share_id.empty()) device.set_share_id(share_id);
  }
};

struct V1Beta1 {
  using Service = dra_v1beta1::DRAPlugin::CallbackService;
  using PrepareRequest = dra_v1beta1::NodePrepareResourcesRequest;
  using PrepareResponse = dra_v1beta1::NodePrepareResourcesResponse;
  using UnprepareRequest = dra_v1beta1::NodeUnprepareResourcesRequest;
  using UnprepareResponse = dra_v1beta1::NodeUnprepareResourcesResponse;
  static void SetShare(const std::string&, dra_v1beta1::Device&) {}
};

void LogFailure(std::string_view what, const ClaimReference& claim, const Error& error) {
  Log(LogLevel::kError, "{} claim {}/{} ({}): {}", what, claim.namespace_name, claim.name,
      claim.uid, error.what);
}

// One call: answers arrive from any thread, the last one finishes it. gRPC keeps request and
// response until then, also when the caller has gone.
template <class Response>
class Batch : public grpc::ServerUnaryReactor {
 public:
  Batch(Response* response, size_t claims) : response_(response), open_(claims + 1) {}

  // `fill` writes one claim's answer.
  template <class Fill>
  void Answer(const std::string& uid, Fill fill) {
    {
      const std::lock_guard lock(mutex_);
      fill((*response_->mutable_claims())[uid]);
    }
    Close();
  }

  // One claim less to wait for; called once more when all claims have been started.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      if (--open_ > 0) return;
    }
    Finish(grpc::Status::OK);
  }

 private:
  void OnDone() override { delete this; }

  std::mutex mutex_;
  Response* response_;
  size_t open_;
};

template <class Version>
class DraPlugin final : public Version::Service {
 public:
  explicit DraPlugin(ClaimPreparer& preparer) : preparer_(preparer) {}

  grpc::ServerUnaryReactor* NodePrepareResources(
      grpc::CallbackServerContext*, const typename Version::PrepareRequest* request,
      typename Version::PrepareResponse* response) override {
    auto* batch = new Batch(response, static_cast<size_t>(request->claims_size()));
    for (const auto& wanted : request->claims()) {
      const ClaimReference claim{wanted.namespace_(), wanted.name(), wanted.uid()};
      preparer_.Prepare(claim, [batch, claim](const Result<driver::PreparedClaim>& prepared) {
        if (!prepared) LogFailure("preparing", claim, prepared.error());
        batch->Answer(claim.uid, [&](auto& answer) { Fill(prepared, answer); });
      });
    }
    batch->Close();
    return batch;
  }

  grpc::ServerUnaryReactor* NodeUnprepareResources(
      grpc::CallbackServerContext*, const typename Version::UnprepareRequest* request,
      typename Version::UnprepareResponse* response) override {
    auto* batch = new Batch(response, static_cast<size_t>(request->claims_size()));
    for (const auto& wanted : request->claims()) {
      const ClaimReference claim{wanted.namespace_(), wanted.name(), wanted.uid()};
      preparer_.Unprepare(claim.uid, [batch, claim](const Result<>& released) {
        if (!released) LogFailure("unpreparing", claim, released.error());
        batch->Answer(claim.uid, [&](auto& answer) {
          if (released) {
            answer.clear_error();
          } else {
            answer.set_error(OneLine(released.error()));
          }
        });
      });
    }
    batch->Close();
    return batch;
  }

 private:
  template <class Answer>
  static void Fill(const Result<driver::PreparedClaim>& prepared, Answer& answer) {
    answer.Clear();  // a batch may name a claim twice
    if (!prepared) {
      answer.set_error(OneLine(prepared.error()));
      return;
    }
    for (const driver::PreparedDevice& from : prepared->devices) {
      auto& device = *answer.add_devices();
      for (const std::string& name : from.request.request_names) device.add_request_names(name);
      device.set_pool_name(from.request.pool);
      device.set_device_name(from.request.device);
      for (const std::string& id : from.cdi_ids) device.add_cdi_device_ids(id);
      Version::SetShare(from.request.share_id, device);
    }
  }

  ClaimPreparer& preparer_;
};

class Registration final : public pluginregistration::Registration::CallbackService {
 public:
  Registration(std::string driver_name, std::string endpoint, std::vector<std::string> versions)
      : driver_name_(std::move(driver_name)),
        endpoint_(std::move(endpoint)),
        versions_(std::move(versions)) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const pluginregistration::InfoRequest*,
                                    pluginregistration::PluginInfo* info) override {
    info->set_type("DRAPlugin");
    info->set_name(driver_name_);
    info->set_endpoint(endpoint_);
    for (const std::string& version : versions_) info->add_supported_versions(version);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* status,
      pluginregistration::RegistrationStatusResponse*) override {
    if (status->plugin_registered()) {
      Log(LogLevel::kNotice, "the kubelet has registered {}", driver_name_);
    } else {
      Log(LogLevel::kError, "the kubelet refuses to register {}: {}; it will try again",
          driver_name_, Printable(status->error(), 1024));
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::string driver_name_, endpoint_;
  const std::vector<std::string> versions_;
};

}  // namespace

DraService::DraService(ClaimPreparer& preparer) {
  services_.push_back(std::make_unique<DraPlugin<V1>>(preparer));
  services_.push_back(std::make_unique<DraPlugin<V1Beta1>>(preparer));
}
DraService::~DraService() = default;

std::vector<grpc::Service*> DraService::services() {
  std::vector<grpc::Service*> services;
  for (const auto& service : services_) services.push_back(service.get());
  return services;
}

std::vector<std::string> DraService::Versions() { return {"v1.DRAPlugin", "v1beta1.DRAPlugin"}; }

RegistrationService::RegistrationService(std::string driver_name, std::string endpoint,
                                         std::vector<std::string> versions)
    : service_(std::make_unique<Registration>(std::move(driver_name), std::move(endpoint),
                                              std::move(versions))) {}
RegistrationService::~RegistrationService() = default;

std::vector<grpc::Service*> RegistrationService::services() { return {service_.get()}; }

}  // namespace drapci::plugin
