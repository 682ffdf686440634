#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "hal/base/log.h"
#include "plugin/claims/claim_view.h"
#include "plugin/claims/status.h"
#include "plugin/kube/backoff.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using std::chrono::milliseconds;
using Done = std::function<void(Result<>)>;

constexpr milliseconds kFirstDelay{1'000}, kMostDelay{60'000};
constexpr std::chrono::minutes kGiveUp{10};
// A daemon that starts with a thousand claims must not fall over the API server.
constexpr size_t kMostAtOnce = 4;
// For how many claims the times of their conditions are remembered.
constexpr size_t kMostRemembered = 1024;

}  // namespace

class StatusWriter::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(kube::Loop& loop, kube::Api& api, std::string driver_name, uint64_t seed)
      : loop_(loop), api_(api), driver_name_(std::move(driver_name)), seed_(seed) {}

  void Write(driver::ClaimRequest claim, std::vector<DeviceStatus> devices, Done done, Part part);
  void Close();

 private:
  using Key = std::pair<std::string, Part>;  // the claim's UID

  struct Content {
    driver::ClaimRequest claim;
    std::vector<DeviceStatus> devices;
    std::vector<Done> done;
    hal::MonotonicTime since;  // when it was asked for
  };
  struct Entry {
    std::optional<Content> sending, next;
    std::optional<kube::Backoff> backoff;
    kube::Api::CallId call = 0;
    kube::Loop::TimerId timer = 0;
    bool queued = false;
  };

  void Queue(const Key& key);
  void SendSome();
  void Send(const Key& key);
  void OnAnswer(const Key& key, kube::ApiResult result);
  void Finish(const Key& key, Result<> result);
  void TellFailure(const Content& content, const kube::ApiFailure& failure);
  void KeepTimes(const Key& key, std::vector<DeviceStatus>& devices);
  std::string ManagerOf(Part part) const;

  kube::Loop& loop_;
  kube::Api& api_;
  const std::string driver_name_;
  uint64_t seed_;
  std::map<Key, Entry> entries_;
  std::deque<Key> ready_;
  size_t sending_ = 0;
  bool refusal_told_ = false;
  // What was written last, for conditions that stay as they are.
  std::map<Key, std::vector<DeviceStatus>> written_;
  std::deque<Key> written_order_;
};

void StatusWriter::Impl::Write(driver::ClaimRequest claim, std::vector<DeviceStatus> devices,
                               Done done, Part part) {
  if (!IsClusterClaim(claim)) {
    if (done) {
      loop_.Post([weak = weak_from_this(), done = std::move(done)] {
        if (!weak.expired()) done({});
      });
    }
    return;
  }
  const Key key(claim.uid, part);
  Entry& entry = entries_[key];
  Content content{
      .claim = std::move(claim), .devices = std::move(devices), .done = {}, .since = loop_.Now()};
  // Who waited for what was not sent yet now waits for this.
  if (entry.next) content.done = std::move(entry.next->done);
  if (done) content.done.push_back(std::move(done));
  entry.next = std::move(content);
  if (entry.call != 0) return;
  // What waits for its next attempt is out of date.
  if (entry.sending) {
    std::ranges::move(entry.sending->done, std::back_inserter(entry.next->done));
    entry.sending.reset();
  }
  if (entry.timer == 0) Queue(key);
}

void StatusWriter::Impl::Queue(const Key& key) {
  Entry& entry = entries_.at(key);
  entry.timer = 0;
  if (!std::exchange(entry.queued, true)) ready_.push_back(key);
  SendSome();
}

void StatusWriter::Impl::SendSome() {
  while (sending_ < kMostAtOnce && !ready_.empty()) {
    const Key key = std::move(ready_.front());
    ready_.pop_front();
    Send(key);
  }
}

std::string StatusWriter::Impl::ManagerOf(Part part) const {
  return part == Part::kState ? driver_name_ : driver_name_ + "-binding";
}

// A condition that stays as it was keeps its time.
void StatusWriter::Impl::KeepTimes(const Key& key, std::vector<DeviceStatus>& devices) {
  const int64_t now = SecondsOf(loop_.Wall());
  const auto before = written_.find(key);
  const auto since = [&](const DeviceStatus& device, const Condition& condition) {
    if (before == written_.end()) return now;
    for (const DeviceStatus& old : before->second) {
      if (old.pool != device.pool || old.device != device.device ||
          old.share_id != device.share_id) {
        continue;
      }
      for (const Condition& one : old.conditions) {
        if (one.type == condition.type && one.status == condition.status) return one.since;
      }
    }
    return now;
  };
  for (DeviceStatus& device : devices) {
    for (Condition& condition : device.conditions) {
      if (condition.since == 0) condition.since = since(device, condition);
    }
  }
}

void StatusWriter::Impl::Send(const Key& key) {
  Entry& entry = entries_.at(key);
  entry.queued = false;
  if (entry.next) {
    entry.sending = std::exchange(entry.next, std::nullopt);
    KeepTimes(key, entry.sending->devices);
  }
  const Content& content = *entry.sending;
  const auto path = ClaimPath(content.claim.namespace_name, content.claim.name);
  if (!path) {
    ++sending_;
    return Finish(key, Fail(path.error()));
  }
  kube::ApiRequest request;
  request.method = "PATCH";
  request.path = *path + "/status";
  request.query =
      fmt::format("fieldManager={}&force=true", kube::EncodeQuery(ManagerOf(key.second)));
  request.content_type = "application/apply-patch+yaml";
  request.body =
      ApplyBody(driver_name_, content.claim, content.devices, Rfc3339(SecondsOf(loop_.Wall())));
  ++sending_;
  entry.call = api_.Call(std::move(request),
                         [this, key](kube::ApiResult result) { OnAnswer(key, std::move(result)); });
}

void StatusWriter::Impl::TellFailure(const Content& content, const kube::ApiFailure& failure) {
  const std::string claim =
      fmt::format("claim {}/{}", content.claim.namespace_name, content.claim.name);
  if (failure.status == 404 || failure.status == 409) {
    Log(LogLevel::kInfo, "{}: is gone, its status is not written", claim);
    return;
  }
  if (failure.status != 403) {
    Log(LogLevel::kWarning, "{}: its status is not written: {}", claim, OneLine(failure.error));
    return;
  }
  if (std::exchange(refusal_told_, true)) return;
  Log(LogLevel::kWarning,
      "{}: its status is not written (nor those of others, without a word): {}; allow 'patch' on "
      "resourceclaims/status and, with Kubernetes 1.36 and newer, 'associated-node:patch' on "
      "resourceclaims/driver '{}' to drapcid's user, whose token must be bound to this node",
      claim, OneLine(failure.error), driver_name_);
}

void StatusWriter::Impl::OnAnswer(const Key& key, kube::ApiResult result) {
  Entry& entry = entries_.at(key);
  entry.call = 0;
  if (result) {
    refusal_told_ = false;
    return Finish(key, {});
  }
  const kube::ApiFailure& failure = result.error();
  const bool again =
      failure.Retryable() && failure.status != 403 && loop_.Now() - entry.sending->since < kGiveUp;
  if (!again) {
    TellFailure(*entry.sending, failure);
    return Finish(key, Fail(failure.error));
  }
  --sending_;
  if (entry.next) {
    std::ranges::move(entry.sending->done, std::back_inserter(entry.next->done));
    entry.sending.reset();
  }
  if (!entry.backoff) entry.backoff.emplace(kFirstDelay, kMostDelay, seed_++);
  entry.timer = loop_.After(entry.backoff->Next(failure.retry_after), [this, key] { Queue(key); });
  SendSome();
}

void StatusWriter::Impl::Finish(const Key& key, Result<> result) {
  --sending_;
  const auto found = entries_.find(key);
  const Content content = *std::exchange(found->second.sending, std::nullopt);
  found->second.backoff.reset();
  const bool more = found->second.next.has_value();
  if (result) {
    if (!written_.contains(key)) written_order_.push_back(key);
    written_[key] = content.devices;
    if (written_order_.size() > kMostRemembered) {
      written_.erase(written_order_.front());
      written_order_.pop_front();
    }
  }
  if (!more) entries_.erase(found);
  for (const Done& done : content.done) {
    loop_.Post([weak = weak_from_this(), done, result] {
      if (!weak.expired()) done(result);
    });
  }
  if (more) {
    Queue(key);
  } else {
    SendSome();
  }
}

void StatusWriter::Impl::Close() {
  for (const auto& [key, entry] : entries_) {
    if (entry.call != 0) api_.Cancel(entry.call);
    if (entry.timer != 0) loop_.Cancel(entry.timer);
  }
}

StatusWriter::StatusWriter(kube::Loop& loop, kube::Api& api, std::string driver_name, uint64_t seed)
    : impl_(std::make_shared<Impl>(loop, api, std::move(driver_name), seed)) {}
StatusWriter::~StatusWriter() { impl_->Close(); }

void StatusWriter::Write(driver::ClaimRequest claim, std::vector<DeviceStatus> devices,
                         std::function<void(Result<>)> done, Part part) {
  impl_->Write(std::move(claim), std::move(devices), std::move(done), part);
}

}  // namespace drapci::plugin::claims
