#include "driver/node_manager.h"
#include "driver/standing.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/log.h"

namespace drapci::driver {
namespace {

std::string ClaimLane(std::string_view uid) { return fmt::format("claim {}", uid); }
std::string AcceleratorLane(std::string_view name) { return fmt::format("accelerator {}", name); }

Error Stopping() {
  return {.code = Code::kBusy, .sys = 0, .what = "drapcid is stopping: try again shortly"};
}

}  // namespace

NodeManager::NodeManager(hal::Host& host, hal::PciScanner& scanner, const Config& config,
                         Journal& journal, hal::StateDir& cdi_dir, std::string boot_id)
    : host_(host),
      config_(config),
      journal_(journal),
      cdi_dir_(cdi_dir),
      boot_id_(std::move(boot_id)),
      settings_(hal::MakeSettings(host)),
      executor_(host, settings_, std::chrono::seconds(config.step_timeout_seconds)),
      fleet_(host, scanner, config, [this](const std::string& accelerator) {
        const std::lock_guard lock(mutex_);
        return ledger_.Changed(accelerator);
      }) {}

NodeManager::~NodeManager() {
  stopping_ = true;
  lanes_.Drain();
}

void NodeManager::SubmitForClaim(const std::string& uid, const std::vector<DeviceRequest>& devices,
                                 std::function<void()> task) {
  std::vector<std::string> lanes{ClaimLane(uid)};
  for (const DeviceRequest& device : devices) {
    const std::string accelerator = fleet_.AcceleratorOf(device.device);
    if (!accelerator.empty()) lanes.push_back(AcceleratorLane(accelerator));
  }
  {
    // A task that is queued before this one may give the claim accelerators that it does not have
    // yet.
    const std::lock_guard lock(mutex_);
    if (const auto record = records_.find(uid); record != records_.end()) {
      for (const Holding& holding : record->second.holdings) {
        lanes.push_back(AcceleratorLane(holding.accelerator));
      }
      for (const Step& step : record->second.plan) {
        lanes.push_back(AcceleratorLane(step.accelerator));
      }
    }
    Pending& pending = pending_[uid];
    ++pending.tasks;
    pending.lanes.insert(pending.lanes.end(), lanes.begin(), lanes.end());
    std::ranges::sort(pending.lanes);
    const auto rest = std::ranges::unique(pending.lanes);
    pending.lanes.erase(rest.begin(), rest.end());
    lanes = pending.lanes;
  }
  lanes_.Submit(std::move(lanes), [this, uid, task = std::move(task)] {
    task();
    const std::lock_guard lock(mutex_);
    const auto pending = pending_.find(uid);
    if (--pending->second.tasks == 0) pending_.erase(pending);
  });
}

void NodeManager::DryPrepare(ClaimRequest request, std::function<void(Result<DryRun>)> done) {
  const std::string uid = request.uid;
  const std::vector<DeviceRequest> devices = request.devices;
  SubmitForClaim(uid, devices, [this, request = std::move(request), done = std::move(done)] {
    done(stopping_ ? Result<DryRun>(std::unexpected(Stopping())) : DryPrepareNow(request));
  });
}

void NodeManager::Prepare(ClaimRequest request, std::function<void(Result<PreparedClaim>)> done) {
  const std::string uid = request.uid;
  const std::vector<DeviceRequest> devices = request.devices;
  SubmitForClaim(uid, devices, [this, request = std::move(request), done = std::move(done)] {
    done(stopping_ ? Result<PreparedClaim>(std::unexpected(Stopping())) : PrepareNow(request));
  });
}

void NodeManager::Unprepare(std::string uid, std::function<void(Result<>)> done) {
  SubmitForClaim(uid, {}, [this, uid, done = std::move(done)] {
    done(stopping_ ? Result<>(std::unexpected(Stopping())) : UnprepareNow(uid));
  });
}

std::vector<ClaimRecord> NodeManager::Claims() const {
  const std::lock_guard lock(mutex_);
  std::vector<ClaimRecord> claims;
  claims.reserve(records_.size());
  for (const auto& [uid, record] : records_) claims.push_back(record);
  return claims;
}

std::optional<ClaimRecord> NodeManager::FindClaim(std::string_view uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(uid);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

std::shared_ptr<const Snapshot> NodeManager::CurrentSnapshot() const {
  const uint64_t generation = generation_;
  {
    const std::lock_guard lock(mutex_);
    if (snapshot_ != nullptr && snapshot_->generation == generation) return snapshot_;
  }
  auto fresh = std::make_shared<Snapshot>();
  fresh->generation = generation;
  fresh->accelerators = fleet_.Views();
  const std::lock_guard lock(mutex_);
  for (AcceleratorView& view : fresh->accelerators) {
    view.counters_used = ledger_.CountersUsed(view.name);
    for (Device& device : view.devices) device.held_by = ledger_.Holder(device.name);
  }
  snapshot_ = fresh;
  return fresh;
}

void NodeManager::Remember(const ClaimRecord& record) {
  const std::lock_guard lock(mutex_);
  records_.insert_or_assign(record.request.uid, record);
  ++generation_;
}

void NodeManager::Dismiss(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  ledger_.Release(uid);
  records_.erase(uid);
  ++generation_;
}

void NodeManager::ReadAnew(const std::vector<std::string>& accelerators) {
  for (const std::string& name : accelerators) {
    bool in_use = false;
    {
      const std::lock_guard lock(mutex_);
      in_use = ledger_.InUse(name);
    }
    fleet_.Refresh(name);
    if (!in_use) fleet_.Forget(name);
  }
  ++generation_;
}

void NodeManager::Refresh(const std::string& accelerator) {
  lanes_.Submit({AcceleratorLane(accelerator)}, [this, accelerator] { ReadAnew({accelerator}); });
}

Result<> NodeManager::Look() {
  DRAPCI_TRY(const auto found, fleet_.Look());
  std::set<std::string> names;
  for (const std::string& name : fleet_.Names()) names.insert(name);
  for (const auto& [name, facts] : found) names.insert(name);
  for (const std::string& name : names) {
    const auto now = found.find(name);
    std::optional<Facts> facts;
    if (now != found.end()) facts = now->second;
    // The standing settings of the accelerator are a claim of the node's own, hence its lane too.
    lanes_.Submit({AcceleratorLane(name), ClaimLane(StandingUid(name))}, [this, name, facts] {
      bool in_use = false;
      {
        const std::lock_guard lock(mutex_);
        in_use = ledger_.InUse(name);
      }
      fleet_.Update(name, facts, in_use);
      if (facts && !stopping_) Settle(name);
      ++generation_;
    });
  }
  return {};
}

}  // namespace drapci::driver
