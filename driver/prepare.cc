// Preparing a claim; everything here runs in the lanes of the claim and its accelerators.
#include <fmt/format.h>

#include "driver/node_manager.h"
#include "driver/standing.h"
#include "hal/base/log.h"

namespace drapci::driver {
namespace {

Result<> CheckRequest(const ClaimRequest& request) {
  if (!IsValidUid(request.uid)) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no claim UID: 1 to {} letters, digits and '-'",
                                            request.uid.substr(0, kMaxUidLength), kMaxUidLength));
  }
  if (IsStandingUid(request.uid)) {
    return Fail(Code::kInvalid, fmt::format("'{}': UIDs that begin with '{}' are the node's own",
                                            request.uid, kStandingPrefix));
  }
  if (request.devices.empty())
    return Fail(Code::kInvalid, "the claim names no device of this driver");
  if (request.devices.size() > kMaxDevicesPerClaim) {
    return Fail(Code::kInvalid, fmt::format("the claim names {} devices, {} are allowed",
                                            request.devices.size(), kMaxDevicesPerClaim));
  }
  return {};
}

}  // namespace

Result<NodeManager::Prospect> NodeManager::Outlook(const ClaimRequest& request) {
  DRAPCI_CHECK(CheckRequest(request));
  Prospect prospect;
  for (const DeviceRequest& device : request.devices) {
    const std::string name = fleet_.AcceleratorOf(device.device);
    if (name.empty() || prospect.candidates.contains(name)) continue;
    DRAPCI_TRY(Candidate candidate, fleet_.Take(name));
    prospect.candidates.emplace(name, std::move(candidate));
  }
  DRAPCI_TRY(const std::vector<Choice> choices,
             ChooseParts(request, prospect.candidates, [&](const std::string& device) {
               const std::lock_guard lock(mutex_);
               const std::string holder = ledger_.Holder(device);
               return !holder.empty() && holder != request.uid;
             }));
  prospect.stock = Stock(prospect.candidates);
  {
    // Before the reasons that lie in the hardware: who holds it is often what explains them.
    const std::lock_guard lock(mutex_);
    DRAPCI_CHECK(ledger_.Check(request.uid, Holdings(choices), prospect.stock));
  }
  DRAPCI_TRY(prospect.outline, MakeOutline(choices));
  for (PreparedDevice& device : prospect.outline.devices) {
    const std::string name =
        CdiDeviceName(device.request.device, request.uid, device.request.share_id);
    device.cdi_ids = {CdiDeviceId(config_.driver_name, name)};
  }
  DRAPCI_TRY(prospect.plan,
             executor_.FindBefore(prospect.outline.steps,
                                  [this](const std::string& accelerator, const std::string& key) {
                                    const std::lock_guard lock(mutex_);
                                    return ledger_.Recorded(accelerator, key);
                                  }));
  return prospect;
}

Result<PreparedClaim> NodeManager::PrepareNow(const ClaimRequest& request) {
  if (auto known = FindClaim(request.uid)) {
    if (known->state == ClaimState::kPrepared) {
      if (known->request.devices != request.devices) {
        return Fail(Code::kConflict,
                    fmt::format("claim {} is prepared with other devices or another configuration: "
                                "unprepare it first",
                                request.uid));
      }
      return Reassure(*std::move(known));
    }
    DRAPCI_CHECK(UndoClaim(*std::move(known)));
  }
  DRAPCI_TRY(Prospect prospect, Outlook(request));
  ClaimRecord record{.request = request,
                     .holdings = std::move(prospect.outline.holdings),
                     .state = ClaimState::kPreparing,
                     .plan = std::move(prospect.plan),
                     .answer = {.devices = std::move(prospect.outline.devices)},
                     .cdi_spec = {},
                     .boot_id = boot_id_,
                     .trouble = {},
                     .standing = false};
  {
    const std::lock_guard lock(mutex_);
    DRAPCI_CHECK(ledger_.Hold(request.uid, record.holdings, record.plan, prospect.stock));
  }
  Remember(record);
  if (auto noted = journal_.Put(record); !noted) {
    Dismiss(request.uid);
    return Fail(std::move(noted).error().Within("nothing was changed"));
  }
  return Carry(std::move(record));
}

Result<PreparedClaim> NodeManager::Carry(ClaimRecord record) {
  MarkStale(record);
  if (auto carried = CarryOut(record); !carried) {
    Error cause = std::move(carried).error();
    Log(LogLevel::kWarning, "prepare of claim {} ({}/{}) failed and is undone: {}",
        record.request.uid, record.request.namespace_name, record.request.name, cause.what);
    if (auto undone = UndoClaim(std::move(record)); !undone) {
      cause.what += fmt::format("; and then: {}", undone.error().what);
    }
    return Fail(std::move(cause));
  }
  Remember(record);
  Log(LogLevel::kInfo, "prepared claim {} ({}/{})", record.request.uid,
      record.request.namespace_name, record.request.name);
  return std::move(record.answer);
}

Result<> NodeManager::CarryOut(ClaimRecord& record) {
  DRAPCI_CHECK(executor_.Do(record.plan));
  if (!record.standing) {
    DRAPCI_TRY(record.cdi_spec, MakeCdiSpec(record.answer.devices));
    if (record.prepared_at == 0) {
      const auto now = host_.clock.Wall().time_since_epoch();
      record.prepared_at = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    }
    DRAPCI_CHECK(cdi_dir_.Replace(CdiFile(record.request.uid), record.cdi_spec));
  }
  record.state = ClaimState::kPrepared;
  record.boot_id = boot_id_;
  record.trouble.clear();
  return journal_.Put(record);
}

Result<PreparedClaim> NodeManager::Reassure(ClaimRecord record) {
  if (std::string replaced = Replaced(record); !replaced.empty()) {
    return Fail(Code::kGone, std::move(replaced));
  }
  if (const auto wrong = executor_.Check(record.plan); !wrong.empty()) {
    Log(LogLevel::kWarning, "claim {} has lost {}: {}; making it again", record.request.uid,
        wrong.front().first.Key(), wrong.front().second);
    if (auto again = CarryOut(record); !again) {
      record.trouble = again.error().what;
      Remember(record);
      return Fail(std::move(again).error());
    }
    Remember(record);
    return std::move(record.answer);
  }
  const std::string file = CdiFile(record.request.uid);
  if (const auto text = cdi_dir_.Read(file); !text || *text != record.cdi_spec) {
    DRAPCI_CHECK(cdi_dir_.Replace(file, record.cdi_spec));
  }
  return std::move(record.answer);
}

Result<std::string> NodeManager::MakeCdiSpec(std::vector<PreparedDevice>& devices) {
  std::vector<CdiDevice> entries;
  for (PreparedDevice& device : devices) {
    DRAPCI_TRY(const hal::Accelerator* accelerator, fleet_.Find(device.accelerator));
    const auto deadline = host_.clock.Now() + std::chrono::seconds(config_.step_timeout_seconds);
    const DeviceRequest& wish = device.request;
    auto edits = accelerator->Edits(PartRequestOf(wish, device.part, wish.share), deadline);
    if (!edits) return Fail(std::move(edits).error().Within(wish.device));
    // Who only looks on takes nothing away from the host.
    if (wish.admin_access) edits->interfaces.clear();
    device.address = edits->address;
    if (config_.network_devices != NetworkDevices::kNone) device.interfaces = edits->interfaces;
    const std::string& id = device.cdi_ids.front();
    entries.push_back({.name = id.substr(id.find('=') + 1), .edits = *std::move(edits)});
  }
  return CdiSpec(config_.driver_name, entries, {config_.network_devices, config_.hook});
}

Result<Manager::DryRun> NodeManager::DryPrepareNow(const ClaimRequest& request) {
  if (auto known = FindClaim(request.uid);
      known && known->state == ClaimState::kPrepared && known->request.devices == request.devices) {
    return DryRun{.plan = std::move(known->plan),
                  .answer = std::move(known->answer),
                  .cdi_spec = std::move(known->cdi_spec)};
  }
  DRAPCI_TRY(Prospect prospect, Outlook(request));
  DryRun run{.plan = std::move(prospect.plan),
             .answer = {.devices = std::move(prospect.outline.devices)},
             .cdi_spec = {}};
  // Only when every step holds already is it known what a container would get.
  if (executor_.Check(run.plan).empty()) {
    if (auto spec = MakeCdiSpec(run.answer.devices)) run.cdi_spec = *std::move(spec);
  }
  return run;
}

}  // namespace drapci::driver
