#include "plugin/control_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/grpcpp.h>

#include "plugin/audit.h"
#include "plugin/claim_input.h"
#include "plugin/control_convert.h"
#include "plugin/proto/control.grpc.pb.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Answers a call within itself.
ServerUnaryReactor* Reply(CallbackServerContext* context, const grpc::Status& status) {
  ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

Result<driver::ClaimRequest> Decode(const v1::ClaimInput& input, std::string_view driver_name) {
  if (!input.claim_json().empty()) {
    if (!input.name().empty() || input.devices_size() > 0 || !input.config_json().empty() ||
        input.share_size() > 0) {
      return Fail(Code::kInvalid, "give a claim file, or a name and devices; not both");
    }
    return ClaimFromJson(input.claim_json(), driver_name);
  }
  return ClaimFromDevices(input.name(), {input.devices().begin(), input.devices().end()},
                          input.config_json(), {input.share().begin(), input.share().end()});
}

std::string NameOf(const driver::ClaimRequest& claim) {
  return claim.namespace_name.empty() ? claim.name
                                      : fmt::format("{}/{}", claim.namespace_name, claim.name);
}

bool IsCalled(const driver::ClaimRequest& claim, std::string_view name) {
  return claim.name == name || (!claim.namespace_name.empty() &&
                                fmt::format("{}/{}", claim.namespace_name, claim.name) == name);
}

class Control final : public v1::Control::CallbackService {
 public:
  Control(driver::Manager& manager, DaemonInfo info, SlicesProvider slices)
      : manager_(manager), info_(std::move(info)), slices_(std::move(slices)) {}

  ServerUnaryReactor* GetVersion(CallbackServerContext* context, const v1::GetVersionRequest*,
                                 v1::GetVersionResponse* response) override {
    response->set_version(info_.version);
    response->set_driver_name(info_.driver_name);
    response->set_node_name(info_.node_name);
    response->set_event_source(info_.event_source);
    return Reply(context, grpc::Status::OK);
  }

  ServerUnaryReactor* ListDevices(CallbackServerContext* context,
                                  const v1::ListDevicesRequest* request,
                                  v1::ListDevicesResponse* response) override {
    const auto snapshot = manager_.CurrentSnapshot();
    response->set_generation(snapshot->generation);
    const std::string& name = request->name();
    for (const driver::AcceleratorView& accelerator : snapshot->accelerators) {
      // The device that is the whole accelerator has the accelerator's name: all of it is shown
      // then.
      const bool all = name.empty() || accelerator.name == name ||
                       accelerator.function.address.ToString() == name;
      v1::Accelerator* shown = nullptr;
      const auto show = [&] {
        if (shown == nullptr) Convert(accelerator, *(shown = response->add_accelerators()));
        return shown;
      };
      if (all) show();
      for (const driver::Device& device : accelerator.devices) {
        if (all || device.name == name) Convert(device, *show()->add_devices());
      }
    }
    if (!name.empty() && response->accelerators_size() == 0) {
      return Reply(context,
                   StatusOf({.code = Code::kNotFound,
                             .sys = 0,
                             .what = fmt::format(
                                 "there is no device {}; `drapci devices` lists them", name)}));
    }
    return Reply(context, grpc::Status::OK);
  }

  ServerUnaryReactor* ListClaims(CallbackServerContext* context, const v1::ListClaimsRequest*,
                                 v1::ListClaimsResponse* response) override {
    for (const driver::ClaimRecord& record : manager_.Claims())
      Convert(record, *response->add_claims());
    return Reply(context, grpc::Status::OK);
  }

  ServerUnaryReactor* Plan(CallbackServerContext* context, const v1::PlanRequest* request,
                           v1::PlanResponse* response) override {
    auto claim = Decode(request->claim(), info_.driver_name);
    if (!claim) return Reply(context, StatusOf(claim.error()));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.DryPrepare(*std::move(claim),
                        [reactor, response](const Result<driver::Manager::DryRun>& run) {
                          if (!run) return reactor->Finish(StatusOf(run.error()));
                          for (const driver::Step& step : run->plan)
                            Convert(step, *response->add_steps());
                          for (const auto& device : run->answer.devices)
                            Convert(device, *response->add_devices());
                          response->set_cdi_spec(run->cdi_spec);
                          reactor->Finish(grpc::Status::OK);
                        });
    return reactor;
  }

  ServerUnaryReactor* Prepare(CallbackServerContext* context, const v1::PrepareRequest* request,
                              v1::PrepareResponse* response) override {
    auto claim = Decode(request->claim(), info_.driver_name);
    if (!claim) return Reply(context, StatusOf(claim.error()));
    response->set_uid(claim->uid);
    ServerUnaryReactor* reactor = context->DefaultReactor();
    // Told apart from the call: the claim is gone when it is made.
    const auto tell = [caller = CallerOf(context->peer()), name = NameOf(*claim), uid = claim->uid](
                          const Result<>& done) { Audit(caller, "prepare", name, uid, done); };
    manager_.Prepare(*std::move(claim),
                     [reactor, response, tell](const Result<driver::PreparedClaim>& answer) {
                       tell(answer ? Result<>() : Result<>(Fail(answer.error())));
                       if (!answer) return reactor->Finish(StatusOf(answer.error()));
                       for (const auto& device : answer->devices)
                         Convert(device, *response->add_devices());
                       reactor->Finish(grpc::Status::OK);
                     });
    return reactor;
  }

  ServerUnaryReactor* Unprepare(CallbackServerContext* context, const v1::UnprepareRequest* request,
                                v1::UnprepareResponse* response) override {
    const Result<std::string> uid = Resolve(request->name_or_uid());
    if (!uid) return Reply(context, StatusOf(uid.error()));
    if (uid->empty()) return Reply(context, grpc::Status::OK);
    response->set_uid(*uid);
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.Unprepare(*uid, [reactor, asked = request->name_or_uid(), uid = *uid,
                              caller = CallerOf(context->peer())](const Result<>& released) {
      Audit(caller, "unprepare", asked, uid, released);
      reactor->Finish(released ? grpc::Status::OK : StatusOf(released.error()));
    });
    return reactor;
  }

  ServerUnaryReactor* Verify(CallbackServerContext* context, const v1::VerifyRequest*,
                             v1::VerifyResponse* response) override {
    response->set_claims_checked(static_cast<int32_t>(manager_.Claims().size()));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    manager_.Verify(
        [reactor, response](const Result<std::vector<driver::Difference>>& differences) {
          if (!differences) return reactor->Finish(StatusOf(differences.error()));
          for (const auto& difference : *differences)
            Convert(difference, *response->add_differences());
          reactor->Finish(grpc::Status::OK);
        });
    return reactor;
  }

  ServerUnaryReactor* GetSlices(CallbackServerContext* context, const v1::GetSlicesRequest*,
                                v1::GetSlicesResponse* response) override {
    if (slices_ == nullptr) {
      return Reply(context, StatusOf({.code = Code::kUnsupported,
                                      .sys = 0,
                                      .what = "this daemon makes no ResourceSlices"}));
    }
    ServerUnaryReactor* reactor = context->DefaultReactor();
    slices_([reactor, response](const SlicesView& view) {
      for (const std::string& slice : view.slices) response->add_slices(slice);
      response->set_trouble(Printable(view.trouble, 1024));
      for (const std::string& dropped : view.dropped) response->add_dropped(dropped);
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  // The UID of the claim that `name_or_uid` means; empty when nothing of that name is held.
  Result<std::string> Resolve(const std::string& name_or_uid) const {
    if (name_or_uid.empty()) return Fail(Code::kInvalid, "which claim? give its name or its UID");
    if (const auto record = manager_.FindClaim(name_or_uid)) {
      if (record->standing) {
        return Fail(Code::kDenied,
                    fmt::format("{} is a setting of this node, not a workload's claim; change the "
                                "configuration instead",
                                name_or_uid));
      }
      return record->request.uid;
    }
    std::vector<std::string> uids;
    for (const driver::ClaimRecord& record : manager_.Claims()) {
      if (!record.standing && IsCalled(record.request, name_or_uid))
        uids.push_back(record.request.uid);
    }
    if (uids.size() > 1) {
      return Fail(Code::kInvalid,
                  fmt::format("several claims are called {}; give one of the UIDs {}", name_or_uid,
                              fmt::join(uids, ", ")));
    }
    return uids.empty() ? std::string() : uids.front();
  }

  driver::Manager& manager_;
  const DaemonInfo info_;
  const SlicesProvider slices_;
};

}  // namespace

grpc::Status StatusOf(const Error& error) {
  const auto code = [&error] {
    switch (error.code) {
      case Code::kInvalid: return grpc::StatusCode::INVALID_ARGUMENT;
      case Code::kNotFound:
      case Code::kGone: return grpc::StatusCode::NOT_FOUND;
      // A deadline of the hardware, which is not the call's own.
      case Code::kTimeout:
      case Code::kBusy: return grpc::StatusCode::ABORTED;
      case Code::kConflict:
      case Code::kUnsupported: return grpc::StatusCode::FAILED_PRECONDITION;
      case Code::kExhausted: return grpc::StatusCode::RESOURCE_EXHAUSTED;
      case Code::kDenied: return grpc::StatusCode::PERMISSION_DENIED;
      case Code::kIo:
      case Code::kInternal: break;
    }
    return grpc::StatusCode::INTERNAL;
  }();
  return {code, OneLine(error)};
}

ControlService::ControlService(driver::Manager& manager, DaemonInfo info, SlicesProvider slices)
    : service_(std::make_unique<Control>(manager, std::move(info), std::move(slices))) {}
ControlService::~ControlService() = default;

std::vector<grpc::Service*> ControlService::services() { return {service_.get()}; }

}  // namespace drapci::plugin
