#include "plugin/claims/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "hal/base/log.h"
#include "plugin/claims/claim_view.h"
#include "plugin/kube/backoff.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr std::chrono::minutes kSameFor{10};
constexpr size_t kMostWaiting = 32, kMostKnown = 256;
constexpr int kMostAttempts = 10;
constexpr milliseconds kFirstDelay{1'000}, kMostDelay{300'000};
// The API server's own limits (pkg/apis/core/validation/events.go).
constexpr size_t kMaxNote = 1024, kMaxReason = 128, kMaxInstance = 128;
// Events about things without a namespace live there.
constexpr std::string_view kNoNamespace = "default";

}  // namespace

class Events::Impl {
 public:
  Impl(kube::Loop& loop, kube::Api& api, std::string driver_name, std::string node_name)
      : loop_(loop),
        api_(api),
        driver_name_(std::move(driver_name)),
        node_name_(std::move(node_name)),
        backoff_(kFirstDelay, kMostDelay, std::hash<std::string>()(node_name_)) {}
  ~Impl() {
    if (call_ != 0) api_.Cancel(call_);
    if (timer_ != 0) loop_.Cancel(timer_);
  }
  void Tell(const EventSubject& subject, bool warning, std::string reason, std::string note);
  const EventCounts& counts() const { return counts_; }

 private:
  // An event that was told, and how often since it was sent.
  struct Known {
    hal::MonotonicTime sent;
    uint64_t more = 0;
  };
  std::optional<uint64_t> TakeCount(const std::string& what);
  kube::ApiRequest Request(const EventSubject& subject, bool warning, const std::string& reason,
                           const std::string& note) const;
  void Send();
  void OnAnswer(kube::ApiResult result);

  kube::Loop& loop_;
  kube::Api& api_;
  const std::string driver_name_, node_name_;
  kube::Backoff backoff_;
  std::map<std::string, Known> known_;
  std::deque<kube::ApiRequest> waiting_;
  kube::Api::CallId call_ = 0;
  kube::Loop::TimerId timer_ = 0;
  bool refusal_told_ = false;
  EventCounts counts_;
};

// How often the event came without being sent, when it is to be sent now.
std::optional<uint64_t> Events::Impl::TakeCount(const std::string& what) {
  const hal::MonotonicTime now = loop_.Now();
  const auto found = known_.find(what);
  if (found != known_.end() && now - found->second.sent < kSameFor) {
    ++found->second.more;
    ++counts_.merged;
    return std::nullopt;
  }
  const uint64_t more = found != known_.end() ? found->second.more : 0;
  if (known_.size() >= kMostKnown) {
    std::erase_if(known_, [now](const auto& each) { return now - each.second.sent >= kSameFor; });
  }
  if (known_.size() >= kMostKnown) known_.erase(known_.begin());
  known_.insert_or_assign(what, Known{.sent = now, .more = 0});
  return more;
}

kube::ApiRequest Events::Impl::Request(const EventSubject& subject, bool warning,
                                       const std::string& reason, const std::string& note) const {
  const std::string name_space(subject.namespace_name.empty() ? kNoNamespace
                                                              : subject.namespace_name);
  Json regarding{
      {"apiVersion", subject.api_version}, {"kind", subject.kind}, {"name", subject.name}};
  if (!subject.namespace_name.empty()) regarding["namespace"] = subject.namespace_name;
  if (!subject.uid.empty()) regarding["uid"] = subject.uid;
  const std::string word = Printable(reason, kMaxReason);
  const Json event{{"apiVersion", "events.k8s.io/v1"},
                   {"kind", "Event"},
                   {"metadata", {{"generateName", subject.name + "."}, {"namespace", name_space}}},
                   {"eventTime", Rfc3339Micro(loop_.Wall())},
                   {"reportingController", driver_name_},
                   {"reportingInstance", Printable(node_name_, kMaxInstance)},
                   {"action", word},
                   {"reason", word},
                   {"regarding", std::move(regarding)},
                   {"note", Printable(note, kMaxNote)},
                   {"type", warning ? "Warning" : "Normal"}};
  kube::ApiRequest request;
  request.method = "POST";
  request.path =
      fmt::format("/apis/events.k8s.io/v1/namespaces/{}/events", kube::EncodeQuery(name_space));
  request.body = event.dump(-1, ' ', false, Json::error_handler_t::replace);
  return request;
}

void Events::Impl::Tell(const EventSubject& subject, bool warning, std::string reason,
                        std::string note) {
  const auto more = TakeCount(fmt::format("{}/{}/{}/{}/{}/{}", subject.kind, subject.namespace_name,
                                          subject.name, subject.uid, reason, note));
  if (!more) return;
  if (waiting_.size() >= kMostWaiting) {
    ++counts_.dropped;
    Log(LogLevel::kDebug, "an event is dropped, {} are waiting: {}", waiting_.size(), note);
    return;
  }
  if (*more != 0) {
    constexpr size_t kRoom = 64;
    note = fmt::format("{} (and {} times more since it was told last)",
                       Printable(note, kMaxNote - kRoom), *more);
  }
  waiting_.push_back(Request(subject, warning, reason, note));
  if (call_ == 0 && timer_ == 0) Send();
}

void Events::Impl::Send() {
  timer_ = 0;
  if (waiting_.empty()) return;
  call_ =
      api_.Call(waiting_.front(), [this](kube::ApiResult result) { OnAnswer(std::move(result)); });
}

void Events::Impl::OnAnswer(kube::ApiResult result) {
  call_ = 0;
  if (result) {
    ++counts_.sent;
    refusal_told_ = false;
  } else {
    const kube::ApiFailure& failure = result.error();
    const bool refused = failure.status == 401 || failure.status == 403;
    if (failure.Retryable() && !refused && backoff_.attempts() < kMostAttempts) {
      timer_ = loop_.After(backoff_.Next(failure.retry_after), [this] { Send(); });
      return;
    }
    ++counts_.dropped;
    if (!refused) {
      Log(LogLevel::kDebug, "an event is dropped: {}", OneLine(failure.error));
    } else if (!std::exchange(refusal_told_, true)) {
      Log(LogLevel::kWarning,
          "events are not written: {}; allow 'create' on events of the group events.k8s.io to "
          "drapcid's user",
          OneLine(failure.error));
    }
  }
  backoff_.Reset();
  waiting_.pop_front();
  Send();
}

Events::Events(kube::Loop& loop, kube::Api& api, std::string driver_name, std::string node_name)
    : impl_(std::make_unique<Impl>(loop, api, std::move(driver_name), std::move(node_name))) {}
Events::~Events() = default;

void Events::Tell(const EventSubject& subject, bool warning, std::string reason, std::string note) {
  impl_->Tell(subject, warning, std::move(reason), std::move(note));
}

const EventCounts& Events::counts() const { return impl_->counts(); }

}  // namespace drapci::plugin::claims
