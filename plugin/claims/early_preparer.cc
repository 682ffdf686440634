#include "plugin/claims/early_preparer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "hal/base/log.h"
#include "plugin/claim_json.h"
#include "plugin/claims/claim_view.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

// After a write that failed for good: the scheduler waits up to ten minutes, and somebody may have
// mended the permission.
constexpr std::chrono::seconds kWriteAgain{30};
constexpr size_t kMostClaimed = 16'384;

bool Lists(const AllocatedDevice& device, const std::string& condition) {
  return std::ranges::find(device.binding_conditions, condition) != device.binding_conditions.end();
}

}  // namespace

std::string PreparedCondition(std::string_view driver_name) {
  return fmt::format("{}/Prepared", driver_name);
}
std::string PrepareFailedCondition(std::string_view driver_name) {
  return fmt::format("{}/PrepareFailed", driver_name);
}

class EarlyPreparer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(kube::Loop& loop, driver::Manager& manager, StatusWriter& statuses, std::string driver_name)
      : loop_(loop),
        manager_(manager),
        statuses_(statuses),
        driver_name_(std::move(driver_name)),
        prepared_(PreparedCondition(driver_name_)),
        failed_(PrepareFailedCondition(driver_name_)) {}

  void OnAllocated(const std::string& json);
  void OnReleased(const std::string& uid);
  void Claimed(const std::string& uid);
  void Close();

 private:
  // An allocation that is being, or has been, prepared here.
  struct Early {
    uint64_t id = 0;            // tells answers of earlier allocations of the claim apart
    driver::ClaimRequest name;  // without devices
    int64_t allocated_at = 0;
    std::vector<AllocatedDevice> devices;
    bool ours = false;  // nobody held the claim before
    bool failed = false;
    kube::Loop::TimerId write_again = 0;
  };

  bool IsAnswered(const ClaimView& claim) const;
  void Begin(const ClaimView& claim, const std::string& json);
  void OnPrepared(const std::string& uid, uint64_t id, const Result<>& result);
  void Write(const std::string& uid, uint64_t id, const Result<>& result);
  void Drop(const std::string& uid);
  bool IsClaimed(const std::string& uid);

  kube::Loop& loop_;
  driver::Manager& manager_;
  StatusWriter& statuses_;
  const std::string driver_name_, prepared_, failed_;
  std::map<std::string, Early> early_;  // by UID
  uint64_t last_id_ = 0;

  std::mutex mutex_;
  std::set<std::string> claimed_;  // guarded: UIDs that the kubelet has called for
};

void EarlyPreparer::Impl::Claimed(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  if (claimed_.size() >= kMostClaimed) claimed_.erase(claimed_.begin());
  claimed_.insert(uid);
}

bool EarlyPreparer::Impl::IsClaimed(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  return claimed_.contains(uid);
}

// Whether the outcome of this very allocation is on the claim already.
bool EarlyPreparer::Impl::IsAnswered(const ClaimView& claim) const {
  const auto answered = [&](const AllocatedDevice& device) {
    if (!Lists(device, prepared_)) return true;
    return std::ranges::any_of(claim.conditions, [&](const WrittenCondition& condition) {
      return condition.pool == device.pool && condition.device == device.device &&
             condition.share_id == device.share_id && condition.is_true &&
             (condition.type == prepared_ || condition.type == failed_) &&
             condition.since >= claim.allocated_at;
    });
  };
  return std::ranges::all_of(claim.devices, answered);
}

void EarlyPreparer::Impl::OnAllocated(const std::string& json) {
  auto claim = ViewClaim(json, driver_name_);
  if (!claim || !driver::IsValidUid(claim->uid)) return;
  if (const auto known = early_.find(claim->uid); known != early_.end()) {
    const Early& early = known->second;
    if (early.allocated_at == claim->allocated_at && early.devices == claim->devices) return;
    Drop(claim->uid);  // of an allocation that is gone
  }
  const auto wanted = [this](const AllocatedDevice& device) { return Lists(device, prepared_); };
  if (std::ranges::none_of(claim->devices, wanted) || IsAnswered(*claim)) return;
  Begin(*claim, json);
}

void EarlyPreparer::Impl::Begin(const ClaimView& claim, const std::string& json) {
  const std::string& uid = claim.uid;
  const uint64_t id = ++last_id_;
  Early& early = early_[uid];
  early.id = id;
  early.name.uid = uid;
  early.name.namespace_name = claim.namespace_name;
  early.name.name = claim.name;
  early.allocated_at = claim.allocated_at;
  early.devices = claim.devices;
  auto request = DecodeClaim(json, driver_name_);
  if (!request) return OnPrepared(uid, id, Fail(std::move(request).error()));
  early.ours = !manager_.FindClaim(uid).has_value();
  manager_.Prepare(*std::move(request), [&loop = loop_, weak = weak_from_this(), uid,
                                         id](const Result<driver::PreparedClaim>& prepared) {
    Result<> result;
    if (!prepared) result = Fail(prepared.error());
    loop.Post([weak, uid, id, result = std::move(result)] {
      if (const auto self = weak.lock()) self->OnPrepared(uid, id, result);
    });
  });
}

void EarlyPreparer::Impl::OnPrepared(const std::string& uid, uint64_t id, const Result<>& result) {
  const auto found = early_.find(uid);
  if (found == early_.end() || found->second.id != id) return;
  if (!result) {
    found->second.failed = true;
    Log(LogLevel::kWarning,
        "claim {}/{}: cannot be prepared before its pod comes, the scheduler is told: {}",
        found->second.name.namespace_name, found->second.name.name, OneLine(result.error()));
  }
  Write(uid, id, result);
}

void EarlyPreparer::Impl::Write(const std::string& uid, uint64_t id, const Result<>& result) {
  const auto found = early_.find(uid);
  if (found == early_.end() || found->second.id != id) return;
  Early& early = found->second;
  early.write_again = 0;
  Condition condition;
  condition.type = result ? prepared_ : failed_;
  condition.status = "True";
  condition.reason = result ? "Prepared" : ReasonOf(result.error().code);
  condition.message = result ? "" : OneLine(result.error());
  // A clock that is behind the API server's must not make it look like an older allocation's.
  condition.since = std::max(SecondsOf(loop_.Wall()), early.allocated_at);
  std::vector<DeviceStatus> devices;
  for (const AllocatedDevice& device : early.devices) {
    if (!Lists(device, prepared_)) continue;
    DeviceStatus status;
    status.pool = device.pool;
    status.device = device.device;
    status.share_id = device.share_id;
    status.conditions = {condition};
    devices.push_back(std::move(status));
  }
  statuses_.Write(
      early.name, std::move(devices),
      [weak = weak_from_this(), uid, id, result](const Result<>& written) {
        const auto self = weak.lock();
        if (!self || written || written.error().code == Code::kNotFound ||
            written.error().code == Code::kConflict) {
          return;
        }
        const auto waiting = self->early_.find(uid);
        if (waiting == self->early_.end() || waiting->second.id != id) return;
        waiting->second.write_again = self->loop_.After(
            kWriteAgain, [impl = self.get(), uid, id, result] { impl->Write(uid, id, result); });
      },
      StatusWriter::Part::kBinding);
}

void EarlyPreparer::Impl::Drop(const std::string& uid) {
  const auto found = early_.find(uid);
  if (found == early_.end()) return;
  const Early early = std::move(found->second);
  early_.erase(found);
  if (early.write_again != 0) loop_.Cancel(early.write_again);
  if (!early.ours || IsClaimed(uid)) return;
  // A prepare that still runs is answered first: the manager keeps the order of a claim's calls.
  manager_.Unprepare(uid, [name = early.name, failed = early.failed](const Result<>& result) {
    if (result) {
      Log(failed ? LogLevel::kDebug : LogLevel::kInfo,
          "claim {}/{}: is not allocated any more, its devices are free again", name.namespace_name,
          name.name);
    } else {
      Log(LogLevel::kWarning,
          "claim {}/{}: is not allocated any more, yet its devices cannot be released: {}",
          name.namespace_name, name.name, OneLine(result.error()));
    }
  });
}

void EarlyPreparer::Impl::OnReleased(const std::string& uid) {
  Drop(uid);
  const std::lock_guard lock(mutex_);
  claimed_.erase(uid);
}

void EarlyPreparer::Impl::Close() {
  for (const auto& [uid, early] : early_) {
    if (early.write_again != 0) loop_.Cancel(early.write_again);
  }
}

EarlyPreparer::EarlyPreparer(kube::Loop& loop, driver::Manager& manager, StatusWriter& statuses,
                             std::string driver_name)
    : impl_(std::make_shared<Impl>(loop, manager, statuses, std::move(driver_name))) {}
EarlyPreparer::~EarlyPreparer() { impl_->Close(); }

ClaimReader::Listener EarlyPreparer::listener() {
  const std::weak_ptr<Impl> weak = impl_;
  return {.allocated =
              [weak](const std::string& json) {
                if (const auto impl = weak.lock()) impl->OnAllocated(json);
              },
          .released =
              [weak](const std::string& uid) {
                if (const auto impl = weak.lock()) impl->OnReleased(uid);
              }};
}

void EarlyPreparer::Claimed(const std::string& uid) { impl_->Claimed(uid); }

}  // namespace drapci::plugin::claims
