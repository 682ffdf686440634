#include "plugin/claims/garbage_collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "hal/base/log.h"
#include "plugin/claims/claim_view.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using std::chrono::milliseconds;

// Between two GETs: a thousand claims take three minutes, and nobody notices.
constexpr milliseconds kSpacing{200};

// Whether it is still the claim that the API server was asked about.
bool SameClaim(const driver::ClaimRecord& a, const driver::ClaimRecord& b) {
  return a.request == b.request && a.prepared_at == b.prepared_at && !b.standing;
}

}  // namespace

class GarbageCollector::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(kube::Loop& loop, kube::Api& api, driver::Manager& manager, Events& events, Options options)
      : loop_(loop), api_(api), manager_(manager), events_(events), options_(std::move(options)) {}

  void Round();
  void Close();
  uint64_t released() const { return released_; }

 private:
  void Next();
  void OnAnswer(const driver::ClaimRecord& record, kube::ApiResult result);
  // Why nobody can want the claim any more, from a clear answer; empty: somebody does. Nothing
  // without a clear answer.
  std::optional<std::string> Judge(const driver::ClaimRecord& record,
                                   const kube::ApiResult& result) const;
  std::string JudgeObject(const driver::ClaimRecord& record, const ClaimView& claim) const;
  void Release(const driver::ClaimRecord& record, const std::string& why);
  void OnReleased(const driver::ClaimRequest& claim, const std::string& why,
                  const Result<>& result);

  kube::Loop& loop_;
  kube::Api& api_;
  driver::Manager& manager_;
  Events& events_;
  const Options options_;
  std::deque<driver::ClaimRecord> to_ask_;
  std::map<std::string, hal::MonotonicTime> unwanted_since_;  // by UID
  kube::Api::CallId call_ = 0;
  kube::Loop::TimerId timer_ = 0;
  uint64_t released_ = 0;
};

void GarbageCollector::Impl::Round() {
  timer_ = 0;
  std::set<std::string> held;
  for (driver::ClaimRecord& record : manager_.Claims()) {
    if (record.standing || !IsClusterClaim(record.request)) continue;
    held.insert(record.request.uid);
    to_ask_.push_back(std::move(record));
  }
  std::erase_if(unwanted_since_, [&](const auto& each) { return !held.contains(each.first); });
  Next();
}

void GarbageCollector::Impl::Next() {
  timer_ = 0;
  while (!to_ask_.empty()) {
    const driver::ClaimRecord record = std::move(to_ask_.front());
    to_ask_.pop_front();
    const auto path = ClaimPath(record.request.namespace_name, record.request.name);
    if (!path) continue;
    kube::ApiRequest request;
    request.path = *path;
    call_ = api_.Call(std::move(request), [this, record](kube::ApiResult result) {
      call_ = 0;
      OnAnswer(record, std::move(result));
      timer_ = to_ask_.empty() ? loop_.After(options_.period, [this] { Round(); })
                               : loop_.After(kSpacing, [this] { Next(); });
    });
    return;
  }
  timer_ = loop_.After(options_.period, [this] { Round(); });
}

std::optional<std::string> GarbageCollector::Impl::Judge(const driver::ClaimRecord& record,
                                                         const kube::ApiResult& result) const {
  if (!result) {
    // A server that does not serve the API group, or that is none, answers 404 without a reason.
    if (result.error().status != 404 || result.error().reason != "NotFound") return std::nullopt;
    return "it is gone from the API server";
  }
  const auto claim = ViewClaim(*result, options_.driver_name);
  if (!claim || claim->uid.empty()) return std::nullopt;
  return JudgeObject(record, *claim);
}

std::string GarbageCollector::Impl::JudgeObject(const driver::ClaimRecord& record,
                                                const ClaimView& claim) const {
  if (claim.uid != record.request.uid) return "a new claim has its name";
  if (claim.devices.empty()) return "it is no longer allocated to devices of this driver";
  // Other nodes have devices of the same names, in pools of other names.
  const auto held = [&record](const AllocatedDevice& device) {
    return std::ranges::any_of(
        record.request.devices, [&device](const driver::DeviceRequest& request) {
          return request.pool == device.pool && request.device == device.device &&
                 request.share_id == device.share_id;
        });
  };
  if (std::ranges::any_of(claim.devices, held)) return "";
  return "it is allocated to other devices now";
}

void GarbageCollector::Impl::OnAnswer(const driver::ClaimRecord& record, kube::ApiResult result) {
  const std::string& uid = record.request.uid;
  const auto why = Judge(record, result);
  if (!why) return;
  if (why->empty()) {
    unwanted_since_.erase(uid);
    return;
  }
  const auto since = unwanted_since_.emplace(uid, loop_.Now()).first->second;
  if (loop_.Now() - since < options_.grace) return;
  Release(record, *why);
}

void GarbageCollector::Impl::Release(const driver::ClaimRecord& record, const std::string& why) {
  const auto now = manager_.FindClaim(record.request.uid);
  if (!now || !SameClaim(record, *now)) {
    unwanted_since_.erase(record.request.uid);
    return;
  }
  manager_.Unprepare(record.request.uid, [&loop = loop_, weak = weak_from_this(),
                                          claim = record.request, why](Result<> result) {
    loop.Post([weak, claim, why, result = std::move(result)] {
      if (const auto self = weak.lock()) self->OnReleased(claim, why, result);
    });
  });
}

void GarbageCollector::Impl::OnReleased(const driver::ClaimRequest& claim, const std::string& why,
                                        const Result<>& result) {
  const EventSubject subject{.api_version = "resource.k8s.io/v1",
                             .kind = "ResourceClaim",
                             .namespace_name = claim.namespace_name,
                             .name = claim.name,
                             .uid = claim.uid};
  const std::string name =
      fmt::format("claim {}/{} ({})", claim.namespace_name, claim.name, claim.uid);
  if (!result) {
    const std::string text = fmt::format("{}: {}, yet its devices cannot be released: {}", name,
                                         why, OneLine(result.error()));
    Log(LogLevel::kWarning, "{}", text);
    events_.Tell(subject, /*warning=*/true, "ClaimReleaseFailed", text);
    return;
  }
  ++released_;
  unwanted_since_.erase(claim.uid);
  const std::string text = fmt::format(
      "{}: {}, and the kubelet has not released it; its devices are free again", name, why);
  Log(LogLevel::kNotice, "{}", text);
  events_.Tell(subject, /*warning=*/false, "ClaimReleased", text);
}

void GarbageCollector::Impl::Close() {
  if (call_ != 0) api_.Cancel(call_);
  if (timer_ != 0) loop_.Cancel(timer_);
}

GarbageCollector::GarbageCollector(kube::Loop& loop, kube::Api& api, driver::Manager& manager,
                                   Events& events, Options options)
    : impl_(std::make_shared<Impl>(loop, api, manager, events, std::move(options))) {}
GarbageCollector::~GarbageCollector() { impl_->Close(); }

void GarbageCollector::Start() { impl_->Round(); }
uint64_t GarbageCollector::released() const { return impl_->released(); }

}  // namespace drapci::plugin::claims
