#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "hal/base/log.h"
#include "plugin/json.h"
#include "plugin/slices/publisher_impl.h"

namespace drapci::plugin::slices {
namespace {

using kube::ApiFailure;
using kube::ApiRequest;
using kube::ApiResult;

constexpr int kAttempts = 3;  // to learn of node and version, before going on without
constexpr auto kUnseen = std::chrono::minutes(1);
constexpr auto kRecheck = std::chrono::hours(1);

}  // namespace

void Publisher::Impl::Call(ApiRequest request, std::function<void(ApiResult)> done) {
  // `done` never comes from within Call(), so the id is there by then.
  auto id = std::make_shared<kube::Api::CallId>(0);
  *id = api_.Call(std::move(request), [this, id, done = std::move(done)](ApiResult result) {
    calls_.erase(*id);
    done(std::move(result));
  });
  calls_.insert(*id);
}

void Publisher::Impl::List() {
  listed_ = false;
  const std::string selector =
      fmt::format("spec.driver={},spec.nodeName={}", owner_.driver_name, owner_.node_name);
  reflector_ = std::make_unique<kube::Reflector>(
      loop_, api_,
      kube::Reflector::Source{.path = std::string(kCollection),
                              .selector = "fieldSelector=" + kube::EncodeQuery(selector)},
      kube::Reflector::Listener{
          .listed = [this](const std::vector<std::string>& objects) { Listed(objects); },
          .changed = [this](kube::Reflector::Change change,
                            const std::string& object) { Told(change, object); },
          .failed = [this](const ApiFailure& failure) { list_failure_ = failure.error.what; }},
      random_());
  reflector_->Start();
}

std::optional<StoredSlice> Publisher::Impl::Ours(const std::string& object) const {
  auto slice = DecodeSlice(object);
  if (!slice) {
    Log(LogLevel::kWarning, "the API server lists a ResourceSlice that cannot be read: {}",
        slice.error().what);
    return std::nullopt;
  }
  // The selector says so already; what is somebody else's must never be deleted.
  if (slice->driver != owner_.driver_name || slice->node != owner_.node_name) return std::nullopt;
  return *std::move(slice);
}

void Publisher::Impl::Listed(const std::vector<std::string>& objects) {
  ++counts_.reads;
  list_failure_.clear();
  std::vector<StoredSlice> slices;
  for (const std::string& object : objects) {
    if (auto slice = Ours(object)) {
      gates_.Seen(Used(slice->content));
      slices.push_back(*std::move(slice));
    }
  }
  const Mirror::News news = mirror_.Listed(std::move(slices));
  listed_ = true;
  if (std::exchange(unanswered_, false)) {
    schedule_.Unblock();
    backoff_.Reset();
  }
  AskAgain();
  if (std::exchange(heard_, true) && news == Mirror::News::kDeleted) {
    schedule_.Wiped();
  } else {
    schedule_.Now();
  }
}

void Publisher::Impl::Told(kube::Reflector::Change change, const std::string& object) {
  auto slice = Ours(object);
  if (!slice) return;
  switch (mirror_.Told(change, *std::move(slice))) {
    case Mirror::News::kNone: return;
    case Mirror::News::kChanged: return schedule_.Disturbed();
    case Mirror::News::kDeleted: return schedule_.Wiped();
  }
}

void Publisher::Impl::Ask(Question& question) {
  if (question.asking) return;
  question.asking = true;
  loop_.Cancel(std::exchange(question.timer, 0));
  ++counts_.reads;
  ApiRequest request;
  request.path =
      &question == &node_ ? "/api/v1/nodes/" + kube::EncodeQuery(owner_.node_name) : question.path;
  Call(std::move(request), [this, &question](const ApiResult& result) {
    question.asking = false;
    const bool first = !question.known;
    Answered(question, result);
    if (first && question.known && Ready()) schedule_.Now();
  });
}

void Publisher::Impl::Answered(Question& question, const ApiResult& result) {
  if (!result) {
    const ApiFailure& failure = result.error();
    const bool final = !failure.Retryable() || failure.status == 403;
    // Without any answer nothing can be written, either: the next list asks again.
    if (failure.status == 0 && !listed_) return;
    if (!final && ++question.failures < kAttempts) {
      question.timer =
          loop_.After(ask_backoff_.Next(failure.retry_after), [this, &question] { Ask(question); });
      return;
    }
    if (&question == &node_ && !question.known) {
      Log(LogLevel::kWarning,
          "the slices will not go with the node, since its UID is not known: {}",
          failure.error.what);
    }
    question.known = true;
    return;
  }
  question.known = true;
  question.failures = 0;
  if (&question == &version_) {
    if (!gates_.SetVersion(*result)) return;
    rejected_.clear();  // another server may think otherwise
    TellDropped();
    ProbeWhatIsOff();
    if (Ready()) schedule_.Now();
    return;
  }
  const auto document = ParseJson(*result);
  if (!document) return;
  if (auto uid = JsonField(*document, "")["metadata"]["uid"].Text()) {
    owner_.node_uid = *std::move(uid);
  }
}

// After a list: what is not known yet, and what may have changed with the server.
void Publisher::Impl::AskAgain() {
  if (!node_.known) Ask(node_);
  if (!version_.known || (heard_ && (!gates_.all_on() || !rejected_.empty()))) Ask(version_);
}

void Publisher::Impl::ArmRecheck() {
  // Not all nodes in the same second.
  const auto spread = std::uniform_int_distribution<int64_t>(0, 360)(random_);
  recheck_timer_ = loop_.After(kRecheck + std::chrono::seconds(spread), [this] {
    ArmRecheck();
    if (owner_.node_uid.empty()) Ask(node_);
    if (gates_.all_on() && rejected_.empty()) return;
    Ask(version_);
    ProbeWhatIsOff();
  });
}

void Publisher::Impl::ArmUnseen() {
  loop_.Cancel(unseen_timer_);
  unseen_timer_ = loop_.After(kUnseen, [this] { AskUnseen(); });
}

// A watch that tells nothing of a write after so long has missed it, or it is gone.
void Publisher::Impl::AskUnseen() {
  const auto name = mirror_.Unseen(loop_.Now(), kUnseen);
  if (!name) return;
  ++counts_.reads;
  ApiRequest request;
  request.path = fmt::format("{}/{}", kCollection, *name);
  Call(std::move(request), [this, name = *name](const ApiResult& result) {
    std::optional<StoredSlice> slice;
    if (result) slice = Ours(*result);
    if (!slice && (result || result.error().status != 404)) return ArmUnseen();
    if (mirror_.Asked(name, std::move(slice)) != Mirror::News::kNone) schedule_.Now();
    AskUnseen();
  });
}

}  // namespace drapci::plugin::slices
