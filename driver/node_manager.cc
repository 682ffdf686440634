#include "driver/node_manager.h"
#include "driver/standing.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/pci_settings.h"
#include "hal/base/log.h"

namespace drapci::driver {
namespace {

std::string ClaimLane(std::string_view uid) { return fmt::format("claim {}", uid); }
std::string AcceleratorLane(std::string_view name) { return fmt::format("accelerator {}", name); }

// How long a snapshot waits for the accelerators that have just been changed to be read anew.
constexpr std::chrono::milliseconds kPatience{200};

Error Stopping() {
  return {.code = Code::kBusy, .sys = 0, .what = "drapcid is stopping: try again shortly"};
}

// `done`, after the observer has been told.
template <class Outcome>
std::function<void(Outcome)> Observed(Observer& observer, Observer::Work work,
                                      std::string accelerator, std::function<void(Outcome)> done) {
  const auto begin = std::chrono::steady_clock::now();
  return [&observer, work, begin, accelerator = std::move(accelerator),
          done = std::move(done)](Outcome outcome) {
    observer.Finished(work, accelerator, outcome.has_value(),
                      std::chrono::steady_clock::now() - begin);
    done(std::move(outcome));
  };
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
  std::set<std::string> accelerators;
  for (const DeviceRequest& device : devices) {
    std::string accelerator = fleet_.AcceleratorOf(device.device);
    if (!accelerator.empty()) accelerators.insert(std::move(accelerator));
  }
  {
    const std::lock_guard lock(mutex_);
    if (const auto record = records_.find(uid); record != records_.end()) {
      accelerators.merge(Touched(record->second));
    }
    // A task that is queued before this one may give the claim accelerators that it does not have
    // yet.
    Pending& pending = pending_[uid];
    ++pending.tasks;
    pending.accelerators.insert(accelerators.begin(), accelerators.end());
    accelerators = pending.accelerators;
  }
  std::vector<std::string> lanes{ClaimLane(uid)};
  for (const std::string& name : accelerators) lanes.push_back(AcceleratorLane(name));
  lanes_.Submit(std::move(lanes),
                [this, uid, accelerators = std::move(accelerators), task = std::move(task)] {
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

void NodeManager::Observe(Observer& observer) {
  observer_ = &observer;
  executor_.Observe(&observer);
}

void NodeManager::Prepare(ClaimRequest request, std::function<void(Result<PreparedClaim>)> done) {
  const std::string uid = request.uid;
  const std::vector<DeviceRequest> devices = request.devices;
  if (observer_ != nullptr) {
    done = Observed(*observer_, Observer::Work::kPrepare,
                    devices.empty() ? "" : fleet_.AcceleratorOf(devices.front().device),
                    std::move(done));
  }
  SubmitForClaim(uid, devices, [this, request = std::move(request), done = std::move(done)] {
    done(stopping_ ? Result<PreparedClaim>(std::unexpected(Stopping())) : PrepareNow(request));
  });
}

void NodeManager::Unprepare(std::string uid, std::function<void(Result<>)> done) {
  if (observer_ != nullptr) {
    std::string accelerator;
    {
      const std::lock_guard lock(mutex_);
      const auto record = records_.find(uid);
      if (record != records_.end() && !record->second.holdings.empty()) {
        accelerator = record->second.holdings.front().accelerator;
      }
    }
    done =
        Observed(*observer_, Observer::Work::kUnprepare, std::move(accelerator), std::move(done));
  }
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

void NodeManager::AddHeldDevices(AcceleratorView& view) const {
  for (const auto& [uid, record] : records_) {
    for (const Holding& holding : record.holdings) {
      if (holding.accelerator != view.name) continue;
      if (std::ranges::find(view.devices, holding.device, &Device::name) != view.devices.end()) {
        continue;  // another share of it
      }
      Device& device = view.devices.emplace_back();
      device.name = holding.device;
      device.part.name = holding.part;
      device.part.consumes = holding.consumes;
      device.unusable = view.description.unusable;
    }
  }
}

std::string NodeManager::HomeDriver(const AcceleratorView& view) const {
  const std::string key =
      fmt::format("{} {}", hal::kDriverSetting, view.function.address.ToString());
  if (const auto step = ledger_.Recorded(view.name, key)) {
    const auto before = hal::ParseBinding(step->before);
    return before ? before->driver : std::string();
  }
  const auto now = view.description.attributes.find("driver");
  if (now == view.description.attributes.end()) return {};
  const auto* driver = std::get_if<std::string>(&now->second);
  return driver == nullptr ? std::string() : *driver;
}

std::shared_ptr<const Snapshot> NodeManager::CurrentSnapshot() {
  std::vector<std::string> to_read;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : stale_) {
      if (reading_.insert(name).second) to_read.push_back(name);
    }
  }
  for (const std::string& name : to_read) {
    lanes_.Submit({AcceleratorLane(name)}, [this, name] { ReadAnew(name); });
  }
  {
    std::unique_lock lock(mutex_);
    fresh_.wait_for(lock, kPatience, [this] { return reading_.empty(); });
  }
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
    if (view.gone && view.devices.empty()) AddHeldDevices(view);
    const std::map<std::string, std::map<std::string, int64_t>> stock{
        {view.name, view.description.counters}};
    view.home_driver = HomeDriver(view);
    const auto health = health_.find(view.name);
    if (health != health_.end()) view.health = health->second;
    for (Device& device : view.devices) {
      if (!device.part.capacities.empty()) {
        device.shared_by = ledger_.Sharers(view.name, device.name);
        if (!device.shared_by.empty()) continue;
      } else {
        device.held_by = ledger_.Holder(device.name);
        const auto record = records_.find(device.held_by);
        // Who holds it has lost it, or could not give it back.
        if (record != records_.end() && device.unusable.empty()) {
          device.unusable = record->second.trouble;
        }
      }
      const auto room = ledger_.Check(device.held_by,
                                      {{.accelerator = view.name,
                                        .device = device.name,
                                        .part = device.part.name,
                                        .consumes = device.part.consumes}},
                                      stock);
      if (device.held_by.empty() && !room) device.excluded = room.error().what;
    }
  }
  snapshot_ = fresh;
  return fresh;
}

Listeners::Token NodeManager::Listen(std::function<void()> changed) {
  return listeners_.Listen(std::move(changed));
}

void NodeManager::SetHealth(const std::string& accelerator, Health health) {
  {
    const std::lock_guard lock(mutex_);
    Health& known = health_[accelerator];
    const bool same = known.Says(health);
    known = std::move(health);
    if (same) return;
    ++generation_;
  }
  listeners_.Tell();
}

std::map<std::string, Health> NodeManager::CurrentHealth() const {
  const std::lock_guard lock(mutex_);
  return health_;
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

std::set<std::string> NodeManager::Touched(const ClaimRecord& record) {
  std::set<std::string> accelerators;
  for (const Holding& holding : record.holdings) accelerators.insert(holding.accelerator);
  for (const Step& step : record.plan) accelerators.insert(step.accelerator);
  return accelerators;
}

void NodeManager::MarkStale(const ClaimRecord& record) {
  const std::lock_guard lock(mutex_);
  stale_.merge(Touched(record));
}

void NodeManager::ReadAnew(const std::string& accelerator) {
  bool in_use = false;
  {
    const std::lock_guard lock(mutex_);
    stale_.erase(accelerator);  // what changes from here on makes it stale again
    in_use = ledger_.InUse(accelerator);
  }
  fleet_.Refresh(accelerator);
  if (!in_use) fleet_.Forget(accelerator);
  {
    const std::lock_guard lock(mutex_);
    reading_.erase(accelerator);
    ++generation_;
  }
  fresh_.notify_all();
  listeners_.Tell();
}

void NodeManager::MarkStale(const std::string& accelerator) {
  {
    const std::lock_guard lock(mutex_);
    stale_.insert(accelerator);
  }
  listeners_.Tell();
}

std::shared_ptr<const Snapshot> NodeManager::LastSnapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
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
      const bool arrived = fleet_.Update(name, facts, in_use);
      if (in_use) TellClaims(name, facts.has_value(), arrived);
      if (facts && !stopping_) SettleStanding(name);
      ++generation_;
      listeners_.Tell();
    });
  }
  return {};
}

}  // namespace drapci::driver
