#include "plugin/control_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <mutex>

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

// Sends what has happened, and goes on with what happens when it is to follow.
class EventStream final : public grpc::ServerWriteReactor<v1::Event> {
 public:
  EventStream(driver::HealthMonitor& monitor, driver::Listeners& ends,
              const std::atomic<bool>& ending, const v1::ListEventsRequest& request)
      : monitor_(monitor),
        ending_(ending),
        card_(request.card()),
        follow_(request.follow()),
        last_(request.after()) {
    if (follow_) {
      news_ = monitor.Listen([this] { Pump(); });
      end_ = ends.Listen([this] { Pump(); });
    }
    Pump();
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) gone_ = true;
    }
    Pump();
  }
  void OnCancel() override {
    {
      const std::lock_guard lock(mutex_);
      gone_ = true;
    }
    Pump();
  }
  void OnDone() override {
    news_.reset();
    end_.reset();
    delete this;
  }

 private:
  void Pump() {
    const std::lock_guard lock(mutex_);
    if (writing_ || finished_) return;
    if (gone_ || ending_) return End();
    if (waiting_.empty()) {
      for (driver::HealthChange& change : monitor_.Changes(last_)) {
        last_ = change.number;
        if (card_.empty() || change.card == card_) waiting_.push_back(std::move(change));
      }
    }
    if (waiting_.empty()) {
      if (!follow_) End();
      return;
    }
    event_.Clear();
    Convert(waiting_.front(), event_);
    waiting_.pop_front();
    writing_ = true;
    StartWrite(&event_);
  }
  void End() {
    finished_ = true;
    Finish(ending_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "drapcid is stopping")
                   : grpc::Status::OK);
  }

  driver::HealthMonitor& monitor_;
  const std::atomic<bool>& ending_;
  const std::string card_;
  const bool follow_;
  driver::Listeners::Token news_, end_;
  std::mutex mutex_;
  uint64_t last_;
  std::deque<driver::HealthChange> waiting_;
  v1::Event event_;
  bool writing_ = false, gone_ = false, finished_ = false;
};

// Refuses at once.
class NoEvents final : public grpc::ServerWriteReactor<v1::Event> {
 public:
  explicit NoEvents(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

Error NotMonitored() {
  return {.code = Code::kUnsupported,
          .sys = 0,
          .what =
              "the condition of cards is not watched: health.enabled is false in the "
              "configuration of drapcid"};
}

}  // namespace

class ControlService::Impl final : public v1::Control::CallbackService {
 public:
  Impl(driver::Manager& manager, DaemonInfo info, SlicesProvider slices,
       driver::HealthMonitor* monitor)
      : manager_(manager), info_(std::move(info)), slices_(std::move(slices)), monitor_(monitor) {}

  void EndStreams() {
    ending_ = true;
    ends_.Tell();
  }

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

  ServerUnaryReactor* GetHealth(CallbackServerContext* context, const v1::GetHealthRequest* request,
                                v1::GetHealthResponse* response) override {
    if (monitor_ == nullptr) return Reply(context, StatusOf(NotMonitored()));
    const auto snapshot = manager_.CurrentSnapshot();
    auto newest = manager_.CurrentHealth();
    const Result<std::string> name = CardOf(*snapshot, request->name());
    if (!name) return Reply(context, StatusOf(name.error()));
    for (const driver::AcceleratorView& card : snapshot->accelerators) {
      if (!name->empty() && card.name != *name) continue;
      v1::NamedHealth& shown = *response->add_cards();
      shown.set_name(card.name);
      driver::Health& health = newest[card.name];
      if (health.reason.empty()) health.reason = "NotMeasured";
      Convert(health, *shown.mutable_health());
    }
    return Reply(context, grpc::Status::OK);
  }

  grpc::ServerWriteReactor<v1::Event>* ListEvents(CallbackServerContext*,
                                                  const v1::ListEventsRequest* request) override {
    if (monitor_ == nullptr) return new NoEvents(StatusOf(NotMonitored()));
    v1::ListEventsRequest wish = *request;
    if (!wish.card().empty()) {
      const Result<std::string> name = CardOf(*manager_.CurrentSnapshot(), wish.card());
      if (!name) return new NoEvents(StatusOf(name.error()));
      wish.set_card(*name);
    }
    return new EventStream(*monitor_, ends_, ending_, wish);
  }

  ServerUnaryReactor* ExplainHealth(CallbackServerContext* context,
                                    const v1::ExplainHealthRequest* request,
                                    v1::ExplainHealthResponse* response) override {
    if (monitor_ == nullptr) return Reply(context, StatusOf(NotMonitored()));
    const Result<std::string> name = CardOf(*manager_.CurrentSnapshot(), request->name());
    if (!name) return Reply(context, StatusOf(name.error()));
    const auto report = monitor_->Explain(*name);
    if (!report) return Reply(context, StatusOf(report.error()));
    Convert(*report, *response);
    return Reply(context, grpc::Status::OK);
  }

  ServerUnaryReactor* ClearHealth(CallbackServerContext* context,
                                  const v1::ClearHealthRequest* request,
                                  v1::ClearHealthResponse* response) override {
    if (monitor_ == nullptr) return Reply(context, StatusOf(NotMonitored()));
    const Result<std::string> name = CardOf(*manager_.CurrentSnapshot(), request->name());
    if (!name) return Reply(context, StatusOf(name.error()));
    const auto cleared = monitor_->Absolve(*name);
    if (!cleared) return Reply(context, StatusOf(cleared.error()));
    response->set_name(*name);
    return Reply(context, grpc::Status::OK);
  }

 private:
  // The card that `name` means: its own name, its address, or that of one of its parts. Empty for
  // an empty one.
  static Result<std::string> CardOf(const driver::Snapshot& snapshot, const std::string& name) {
    if (name.empty()) return name;
    for (const driver::AcceleratorView& card : snapshot.accelerators) {
      if (card.name == name || card.function.address.ToString() == name) return card.name;
    }
    if (const auto found = snapshot.Find(name); found.accelerator != nullptr) {
      return found.accelerator->name;
    }
    return Fail(Code::kNotFound,
                fmt::format("there is no device {}; `drapci devices` lists them", name));
  }

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
  driver::HealthMonitor* const monitor_;
  driver::Listeners ends_;
  std::atomic<bool> ending_ = false;
};

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

ControlService::ControlService(driver::Manager& manager, DaemonInfo info, SlicesProvider slices,
                               driver::HealthMonitor* monitor)
    : service_(std::make_unique<Impl>(manager, std::move(info), std::move(slices), monitor)) {}
ControlService::~ControlService() = default;

void ControlService::EndStreams() { service_->EndStreams(); }

std::vector<grpc::Service*> ControlService::services() { return {service_.get()}; }

}  // namespace drapci::plugin
