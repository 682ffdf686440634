// Start: from what a crash or a reboot has left to claims that are fully prepared or fully undone.
#include <fmt/format.h>

#include <algorithm>

#include "driver/node_manager.h"
#include "driver/standing.h"
#include "hal/base/log.h"

namespace drapci::driver {

namespace {

bool Wishes(const Plan& plan, const std::vector<hal::Wanted>& wanted) {
  return std::ranges::equal(plan, wanted, [](const Step& step, const hal::Wanted& wish) {
    return step.setting == wish.setting && step.target == wish.target && step.want == wish.value;
  });
}

}  // namespace

Result<> NodeManager::Recover() {
  DRAPCI_TRY(const Journal::Contents contents, journal_.Load());
  for (const std::string& text : contents.set_aside) Log(LogLevel::kError, "{}", text);
  {
    const std::lock_guard lock(mutex_);
    for (const ClaimRecord& record : contents.records) {
      ledger_.Restore(record.request.uid, record.holdings, record.plan);
      records_.insert_or_assign(record.request.uid, record);
    }
  }
  // Accelerators first, so that recovery can ask them; those that are gone are known by their
  // claims.
  DRAPCI_CHECK(Look());
  lanes_.Drain();
  for (const ClaimRecord& record : contents.records) {
    for (const Holding& holding : record.holdings) {
      if (fleet_.AcceleratorOf(holding.device).empty()) {
        fleet_.Update(holding.accelerator, std::nullopt, /*held=*/true);
      }
    }
  }
  for (const ClaimRecord& record : contents.records) {
    if (record.standing) continue;  // settled with its accelerator
    SubmitForClaim(record.request.uid, {}, [this, record] { RecoverClaim(record); });
  }
  lanes_.Drain();
  recovered_ = true;
  SweepCdiDir();
  return {};
}

void NodeManager::RecoverClaim(const ClaimRecord& record) {
  const std::string& uid = record.request.uid;
  if (record.state != ClaimState::kPrepared) {
    Log(LogLevel::kNotice, "claim {} was {} when drapcid stopped: undoing it", uid,
        ClaimStateName(record.state));
    // On failure the claim stays, with the reason, and is tried again by the next unprepare.
    static_cast<void>(UndoClaim(record).has_value());
    return;
  }
  if (const std::string replaced = Replaced(record); !replaced.empty()) {
    Log(LogLevel::kError, "claim {}: {}", uid, replaced);
    ClaimRecord lost = record;
    lost.trouble = replaced;
    return Remember(lost);
  }
  if (record.boot_id != boot_id_) {
    Log(LogLevel::kNotice, "claim {} was prepared before the machine booted: making it again", uid);
    ClaimRecord again = record;
    if (auto made = CarryOut(again); !made) {
      again.trouble = made.error().what;
      Log(LogLevel::kError, "claim {} could not be made again: {}", uid, again.trouble);
    }
    Remember(again);
    return;
  }
  const auto text = cdi_dir_.Read(CdiFile(uid));
  if (text && *text == record.cdi_spec) return;
  if (auto written = cdi_dir_.Replace(CdiFile(uid), record.cdi_spec); !written) {
    Log(LogLevel::kError, "claim {}: {}", uid, written.error().what);
  }
}

void NodeManager::TellClaims(const std::string& accelerator, bool present, bool arrived) {
  if (present && !arrived) return;
  std::vector<std::string> late;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [uid, record] : records_) {
      if (record.state != ClaimState::kPrepared || !Touched(record).contains(accelerator)) continue;
      if (!present) {
        record.trouble = fmt::format("{} has been removed: unprepare the claim", accelerator);
      } else if (record.boot_id != boot_id_ && recovered_) {
        late.push_back(uid);
      } else if (std::string replaced = Replaced(record, accelerator); !replaced.empty()) {
        record.trouble = std::move(replaced);
      } else if (!record.trouble.empty()) {
        // Whoever used it has lost it anyway.
        record.trouble = fmt::format(
            "{} was removed and is back, not set up for this claim: unprepare it", accelerator);
      }
    }
  }
  // What an earlier boot had prepared could not be made again without its card or driver; now it
  // can.
  for (const std::string& uid : late) {
    SubmitForClaim(uid, {}, [this, uid] {
      if (const auto record = FindClaim(uid); record && !stopping_) RecoverClaim(*record);
    });
  }
}

std::string NodeManager::Replaced(const ClaimRecord& record, std::string_view accelerator) const {
  for (const Holding& holding : record.holdings) {
    if (!accelerator.empty() && holding.accelerator != accelerator) continue;
    const std::string now = fleet_.Identity(holding.accelerator);
    if (now.empty() || hal::SameIdentity(now, holding.card)) continue;
    return fmt::format(
        "another card is in the place of {}: it was [{}] and is [{}]; unprepare the claim",
        holding.accelerator, holding.card, now);
  }
  return {};
}

void NodeManager::SweepCdiDir() {
  const auto names = cdi_dir_.List();
  if (!names) {
    Log(LogLevel::kError, "{}", names.error().what);
    return;
  }
  std::set<std::string> wanted;
  for (const ClaimRecord& record : Claims()) wanted.insert(CdiFile(record.request.uid));
  for (const std::string& name : *names) {
    if (!IsOurCdiFile(config_.driver_name, name) || wanted.contains(name)) continue;
    Log(LogLevel::kNotice, "removing {}/{}: no claim has it", cdi_dir_.path(), name);
    if (auto removed = cdi_dir_.Remove(name); !removed) {
      Log(LogLevel::kError, "{}", removed.error().what);
    }
  }
}

void NodeManager::SettleStanding(const std::string& accelerator) {
  const std::string uid = StandingUid(accelerator);
  const auto known = FindClaim(uid);
  auto candidate = fleet_.Take(accelerator);
  if (!candidate) return;
  auto wanted = candidate->accelerator->Standing(candidate->now);
  if (!wanted) {
    Log(LogLevel::kWarning, "{}: {}", accelerator, wanted.error().what);
    return;
  }
  if (wanted->empty()) {
    if (known) static_cast<void>(UndoClaim(*known).has_value());
    return;
  }
  if (known && known->state == ClaimState::kPrepared && Wishes(known->plan, *wanted)) {
    if (executor_.Check(known->plan).empty()) return;
  } else if (known) {
    // The policy has changed: back to the before-image first, unless claims still need what there
    // is.
    const std::lock_guard lock(mutex_);
    for (const Step& step : known->plan) {
      if (ledger_.SharedWithOthers(step, uid)) return;
    }
  }
  if (known && !Wishes(known->plan, *wanted) && !UndoClaim(*known)) return;
  std::vector<WantedStep> steps;
  for (hal::Wanted& each : *wanted) {
    steps.push_back({.accelerator = accelerator, .wanted = std::move(each)});
  }
  auto plan = executor_.FindBefore(steps, [this](const std::string& name, const std::string& key) {
    const std::lock_guard lock(mutex_);
    return ledger_.Recorded(name, key);
  });
  if (!plan) {
    Log(LogLevel::kWarning, "{}: {}", accelerator, plan.error().what);
    return;
  }
  ClaimRecord record;
  record.request = {.uid = uid, .namespace_name = {}, .name = accelerator, .devices = {}};
  record.plan = *std::move(plan);
  record.standing = true;
  record.boot_id = boot_id_;
  {
    const std::lock_guard lock(mutex_);
    ledger_.Restore(uid, {}, record.plan);
  }
  Remember(record);
  if (auto noted = journal_.Put(record); !noted) {
    Log(LogLevel::kError, "{}", noted.error().what);
    Dismiss(uid);
    return;
  }
  if (auto made = Carry(std::move(record)); !made) {
    Log(LogLevel::kError, "{}: {}", accelerator, made.error().what);
  }
}

}  // namespace drapci::driver
