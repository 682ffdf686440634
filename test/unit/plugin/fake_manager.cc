#include "test/unit/plugin/fake_manager.h"

#include <fmt/format.h>

namespace drapci::plugin {

constexpr std::string_view kAccelerator = "pci-0000-02-00-0";

FakeManager::FakeManager() {
  for (int i = 0; i < 8; ++i) devices_.insert(fmt::format("{}-vf{}", kAccelerator, i));
}

void FakeManager::Submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (holding_) {
      held_.push_back(std::move(task));
      changed_.notify_all();
      return;
    }
  }
  task();
}

void FakeManager::Hold() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void FakeManager::WaitForHeld(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return held_.size() >= count; });
}

void FakeManager::Release() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    tasks.swap(held_);
  }
  for (const auto& task : tasks) task();
}

void FakeManager::FailNext(const std::string& uid, Error error) {
  const std::lock_guard lock(mutex_);
  failures_[uid] = std::move(error);
}

void FakeManager::AddStanding(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  records_[uid] = {.request = {.uid = uid, .namespace_name = {}, .name = uid, .devices = {}},
                   .holdings = {},
                   .state = driver::ClaimState::kPrepared,
                   .plan = {},
                   .answer = {},
                   .cdi_spec = {},
                   .boot_id = {},
                   .trouble = {},
                   .standing = true};
}

std::optional<Error> FakeManager::TakeFailure(const std::string& uid) {
  const auto found = failures_.find(uid);
  if (found == failures_.end()) return std::nullopt;
  Error error = std::move(found->second);
  failures_.erase(found);
  return error;
}

Result<driver::PreparedClaim> FakeManager::PrepareNow(const driver::ClaimRequest& request) {
  const std::lock_guard lock(mutex_);
  if (auto failure = TakeFailure(request.uid)) return Fail(*failure);
  if (const auto held = records_.find(request.uid); held != records_.end()) {
    if (held->second.request.devices == request.devices) return held->second.answer;
    return Fail(Code::kConflict, fmt::format("claim {} holds other devices", request.uid));
  }
  driver::ClaimRecord record{.request = request,
                             .holdings = {},
                             .state = driver::ClaimState::kPrepared,
                             .plan = {},
                             .answer = {},
                             .cdi_spec = {},
                             .boot_id = {},
                             .trouble = {},
                             .standing = false};
  for (const driver::DeviceRequest& device : request.devices) {
    if (!devices_.contains(device.device)) {
      return Fail(Code::kNotFound, fmt::format("there is no device {}", device.device));
    }
    for (const auto& [uid, other] : records_) {
      for (const driver::PreparedDevice& theirs : other.answer.devices) {
        if (theirs.request.device == device.device) {
          return Fail(Code::kConflict, fmt::format("{} is held by claim {}", device.device, uid));
        }
      }
    }
    record.answer.devices.push_back(
        {.request = device,
         .accelerator = std::string(kAccelerator),
         .part = device.device.substr(kAccelerator.size() + 1),
         .cdi_ids = {fmt::format("dra.pci/claim={}-{}", device.device, request.uid)}});
  }
  record.plan = {{.accelerator = std::string(kAccelerator),
                  .setting = "sriov.numvfs",
                  .target = "0000:02:00.0",
                  .before = "0",
                  .want = "8",
                  .shared = true}};
  return records_.emplace(request.uid, std::move(record)).first->second.answer;
}

Result<> FakeManager::UnprepareNow(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  if (auto failure = TakeFailure(uid)) return Fail(*failure);
  records_.erase(uid);
  return {};
}

void FakeManager::Prepare(driver::ClaimRequest request,
                          std::function<void(Result<driver::PreparedClaim>)> done) {
  Submit(
      [this, request = std::move(request), done = std::move(done)] { done(PrepareNow(request)); });
}

void FakeManager::Unprepare(std::string uid, std::function<void(Result<>)> done) {
  Submit([this, uid = std::move(uid), done = std::move(done)] { done(UnprepareNow(uid)); });
}

// Prepares and takes it back: what it would have done.
void FakeManager::DryPrepare(driver::ClaimRequest request,
                             std::function<void(Result<DryRun>)> done) {
  auto answer = PrepareNow(request);
  if (!answer) return done(Fail(answer.error()));
  const auto record = FindClaim(request.uid);
  const auto released = UnprepareNow(request.uid);
  if (!released) return done(Fail(released.error()));
  done(DryRun{.plan = record->plan, .answer = *answer, .cdi_spec = R"({"kind":"dra.pci/claim"})"});
}

std::vector<driver::ClaimRecord> FakeManager::Claims() const {
  const std::lock_guard lock(mutex_);
  std::vector<driver::ClaimRecord> claims;
  for (const auto& [uid, record] : records_) claims.push_back(record);
  return claims;
}

std::optional<driver::ClaimRecord> FakeManager::FindClaim(std::string_view uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(uid);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

std::shared_ptr<const driver::Snapshot> FakeManager::CurrentSnapshot() {
  const std::lock_guard lock(mutex_);
  driver::AcceleratorView view;
  view.name = kAccelerator;
  view.family = "sriov";
  view.function.address = {.domain = 0, .bus = 2, .device = 0, .function = 0};
  view.function.vendor = 0x8086;
  view.function.device = 0x10c9;
  view.function.class_code = 0x020000;
  view.function.vendor_name = "Soci\xe9t\xe9";  // Latin-1, as a broken pci.ids may have it
  view.function.pcie = hal::PcieCapability{.version = 2,
                                           .port_type = 0,
                                           .max_speed = 3,
                                           .max_width = 16,
                                           .current_speed = 3,
                                           .current_width = 8,
                                           .function_level_reset = true};
  view.description.counters = {{"vfs", 8}};
  view.description.attributes = {{"sriov", true}, {"slot", int64_t{7}}};
  for (const std::string& name : devices_) {
    driver::Device device;
    device.name = name;
    device.part = {.name = name.substr(kAccelerator.size() + 1),
                   .profile = "vf",
                   .consumes = {{"vfs", 1}},
                   .attributes = {},
                   .unusable = {},
                   .no_vfio = {}};
    for (const auto& [uid, record] : records_) {
      for (const driver::PreparedDevice& held : record.answer.devices) {
        if (held.request.device == name) device.held_by = uid;
      }
    }
    view.counters_used["vfs"] += device.held_by.empty() ? 0 : 1;
    view.devices.push_back(std::move(device));
  }
  return std::make_shared<const driver::Snapshot>(
      driver::Snapshot{.generation = 42, .accelerators = {std::move(view)}});
}

void FakeManager::Verify(std::function<void(Result<std::vector<driver::Difference>>)> done) {
  done(differences);
}

}  // namespace drapci::plugin
