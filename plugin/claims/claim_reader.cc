#include "plugin/claims/claim_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "hal/base/log.h"
#include "plugin/claims/claim_cache.h"
#include "plugin/claims/claim_view.h"
#include "plugin/kube/backoff.h"
#include "plugin/kube/reflector.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using std::chrono::milliseconds;
using Done = std::function<void(Result<std::string>)>;

constexpr milliseconds kFirstDelay{250}, kMostDelay{2'000}, kAttempt{10'000};

// What went wrong, for the pod's event: the kubelet puts the claim's name in front.
Error Explain(const kube::ApiFailure& failure, const std::string& server) {
  const std::string cause = OneLine(failure.error);
  const auto error = [&failure](std::string what) {
    return Error{.code = failure.error.code, .sys = failure.error.sys, .what = std::move(what)};
  };
  switch (failure.status) {
    case 0:
      return error(fmt::format("the API server{} does not answer: {}; the kubelet will try again",
                               server, cause));
    case 401:
      return error(
          fmt::format("the API server{} does not accept drapcid's credentials: {}; renew "
                      "the token or certificate of its kubeconfig",
                      server, cause));
    case 403:
      return error(
          fmt::format("drapcid may not read it: {}; allow 'get' on resourceclaims of the "
                      "group resource.k8s.io to its user",
                      cause));
    case 404:
      return error(fmt::format("the API server{} has no such claim (any more): {}", server, cause));
    default: return error(cause + (failure.Retryable() ? "; the kubelet will try again" : ""));
  }
}

Error Stopping() {
  return {.code = Code::kBusy, .sys = 0, .what = "drapcid is stopping; the kubelet will try again"};
}

}  // namespace

class ClaimReader::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(kube::Loop& loop, kube::Api& api, Options options, uint64_t seed)
      : loop_(loop),
        api_(api),
        options_(std::move(options)),
        server_(options_.server.empty() ? "" : " " + options_.server),
        seed_(seed),
        cache_(options_.driver_name, options_.node_name) {}

  void Start();
  void Close();
  void Get(std::string namespace_name, std::string name, std::string uid, Done done);
  void Listen(Listener listener) { listener_ = std::move(listener); }
  uint64_t gets() const { return gets_.load(std::memory_order_relaxed); }

 private:
  struct Call {
    std::string namespace_name, name, uid;
    Done done;
  };
  // The GETs of one claim, until one has an answer.
  struct Fetch {
    std::string path;
    std::vector<Done> waiting;
    hal::MonotonicTime deadline;
    kube::Backoff backoff;
    kube::Api::CallId call = 0;
    kube::Loop::TimerId timer = 0;  // of the next attempt
    kube::Loop::TimerId alarm = 0;  // at the deadline
    std::optional<kube::ApiFailure> failure;
  };

  void TakeCalls();
  void Begin(Call call);
  void Send(const std::string& key);
  void OnAnswer(const std::string& key, kube::ApiResult result);
  void Finish(const std::string& key, Result<std::string> result);
  void Tell(const ClaimCache::Changes& changes);
  Error OutOfPatience(const Fetch& fetch) const;

  kube::Loop& loop_;
  kube::Api& api_;
  const Options options_;
  const std::string server_;  // " https://..." or empty
  uint64_t seed_;
  std::atomic<uint64_t> gets_ = 0;

  std::mutex mutex_;
  std::vector<Call> calls_;  // guarded: what other threads have asked for
  bool closed_ = false;      // guarded

  // The loop's thread alone.
  std::map<std::string, Fetch> fetches_;  // by "NAMESPACE/NAME/UID"
  ClaimCache cache_;
  Listener listener_;
  std::unique_ptr<kube::Reflector> reflector_;
};

void ClaimReader::Impl::Start() {
  if (!options_.watch || reflector_ != nullptr) return;
  using Change = kube::Reflector::Change;
  kube::Reflector::Listener listener;
  listener.listed = [this](std::vector<std::string> list) { Tell(cache_.Replace(list)); };
  listener.changed = [this](Change change, std::string json) {
    Tell(change == Change::kDeleted ? cache_.Drop(json) : cache_.Put(json));
  };
  listener.failed = [](const kube::ApiFailure& failure) {
    Log(failure.status == 403 ? LogLevel::kWarning : LogLevel::kInfo,
        "the watch of claims: {}; each is read by name meanwhile{}", OneLine(failure.error),
        failure.status == 403 ? "; allow 'list' and 'watch' on resourceclaims, or switch it off"
                              : "");
  };
  reflector_ = std::make_unique<kube::Reflector>(
      loop_, api_,
      kube::Reflector::Source{.path = "/apis/resource.k8s.io/v1/resourceclaims", .selector = ""},
      std::move(listener), seed_++);
  reflector_->Start();
}

void ClaimReader::Impl::Tell(const ClaimCache::Changes& changes) {
  for (const std::string& uid : changes.released) {
    if (listener_.released) listener_.released(uid);
  }
  for (const std::string& json : changes.allocated) {
    if (listener_.allocated) listener_.allocated(json);
  }
}

void ClaimReader::Impl::Get(std::string namespace_name, std::string name, std::string uid,
                            Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      calls_.push_back(
          {std::move(namespace_name), std::move(name), std::move(uid), std::move(done)});
      done = nullptr;
    }
  }
  if (done) return done(Fail(Stopping()));
  loop_.Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->TakeCalls();
  });
}

void ClaimReader::Impl::TakeCalls() {
  std::vector<Call> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(calls_);
  }
  for (Call& call : calls) Begin(std::move(call));
}

void ClaimReader::Impl::Begin(Call call) {
  auto path = ClaimPath(call.namespace_name, call.name);
  if (!path) return call.done(Fail(std::move(path).error()));
  if (reflector_ != nullptr && reflector_->current()) {
    if (const std::string* json = cache_.Find(call.namespace_name, call.name, call.uid)) {
      return call.done(*json);
    }
  }
  const std::string key = fmt::format("{}/{}/{}", call.namespace_name, call.name, call.uid);
  if (const auto found = fetches_.find(key); found != fetches_.end()) {
    found->second.waiting.push_back(std::move(call.done));
    return;
  }
  Fetch& fetch = fetches_
                     .emplace(key, Fetch{.path = *std::move(path),
                                         .waiting = {},
                                         .deadline = loop_.Now() + options_.patience,
                                         .backoff = kube::Backoff(kFirstDelay, kMostDelay, seed_++),
                                         .failure = std::nullopt})
                     .first->second;
  fetch.waiting.push_back(std::move(call.done));
  fetch.alarm = loop_.After(options_.patience, [this, key] {
    const Fetch& late = fetches_.at(key);
    Finish(key, Fail(OutOfPatience(late)));
  });
  Send(key);
}

Error ClaimReader::Impl::OutOfPatience(const Fetch& fetch) const {
  if (fetch.failure) return Explain(*fetch.failure, server_);
  kube::ApiFailure silence;
  silence.error = {.code = Code::kTimeout,
                   .sys = 0,
                   .what = fmt::format("nothing has come for {} ms", options_.patience.count())};
  return Explain(silence, server_);
}

void ClaimReader::Impl::Send(const std::string& key) {
  Fetch& fetch = fetches_.at(key);
  fetch.timer = 0;
  kube::ApiRequest request;
  request.path = fetch.path;
  request.timeout = std::clamp(std::chrono::ceil<milliseconds>(fetch.deadline - loop_.Now()),
                               milliseconds(1), kAttempt);
  gets_.fetch_add(1, std::memory_order_relaxed);
  fetch.call = api_.Call(std::move(request),
                         [this, key](kube::ApiResult result) { OnAnswer(key, std::move(result)); });
}

void ClaimReader::Impl::OnAnswer(const std::string& key, kube::ApiResult result) {
  Fetch& fetch = fetches_.at(key);
  fetch.call = 0;
  if (result) return Finish(key, *std::move(result));
  const kube::ApiFailure& failure = fetch.failure.emplace(std::move(result).error());
  const milliseconds delay = fetch.backoff.Next(failure.retry_after);
  // An answer now is worth more than one at the deadline that cannot be another.
  if (!failure.Retryable() || loop_.Now() + delay >= fetch.deadline) {
    return Finish(key, Fail(Explain(failure, server_)));
  }
  fetch.timer = loop_.After(delay, [this, key] { Send(key); });
}

void ClaimReader::Impl::Finish(const std::string& key, Result<std::string> result) {
  const auto found = fetches_.find(key);
  const Fetch fetch = std::move(found->second);
  fetches_.erase(found);
  if (fetch.call != 0) api_.Cancel(fetch.call);
  if (fetch.timer != 0) loop_.Cancel(fetch.timer);
  if (fetch.alarm != 0) loop_.Cancel(fetch.alarm);
  for (const Done& done : fetch.waiting) done(result);
}

void ClaimReader::Impl::Close() {
  reflector_.reset();
  while (!fetches_.empty()) Finish(std::string(fetches_.begin()->first), Fail(Stopping()));
  std::vector<Call> calls;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    calls.swap(calls_);
  }
  for (const Call& call : calls) call.done(Fail(Stopping()));
}

ClaimReader::ClaimReader(kube::Loop& loop, kube::Api& api, Options options, uint64_t seed)
    : impl_(std::make_shared<Impl>(loop, api, std::move(options), seed)) {}
ClaimReader::~ClaimReader() { impl_->Close(); }

void ClaimReader::Start() { impl_->Start(); }
void ClaimReader::Stop() { impl_->Close(); }
void ClaimReader::GetClaim(std::string namespace_name, std::string name, std::string uid,
                           std::function<void(Result<std::string>)> done) {
  impl_->Get(std::move(namespace_name), std::move(name), std::move(uid), std::move(done));
}
void ClaimReader::Listen(Listener listener) { impl_->Listen(std::move(listener)); }
uint64_t ClaimReader::gets() const { return impl_->gets(); }

}  // namespace drapci::plugin::claims
