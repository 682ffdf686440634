// Releasing a claim; everything here runs in the lanes of the claim and its accelerators.
#include <fmt/format.h>

#include "driver/node_manager.h"
#include "hal/base/log.h"

namespace drapci::driver {

Result<> NodeManager::UnprepareNow(const std::string& uid) {
  auto record = FindClaim(uid);
  if (!record) return {};
  if (record->standing) {
    return Fail(Code::kDenied, fmt::format("{} is the node's own: change the policy in the "
                                           "configuration instead",
                                           uid));
  }
  if (record->state == ClaimState::kPrepared) {
    record->state = ClaimState::kUnpreparing;
    // Durable before the first change: a restart must know that this claim is on its way out.
    if (auto noted = journal_.Put(*record); !noted) {
      return Fail(std::move(noted).error().Within("nothing was changed"));
    }
    Remember(*record);
  }
  DRAPCI_CHECK(UndoClaim(*std::move(record)));
  Log(LogLevel::kInfo, "released claim {}", uid);
  return {};
}

Result<> NodeManager::UndoClaim(ClaimRecord record) {
  const std::string uid = record.request.uid;
  MarkStale(record);
  const auto still_needed = [&](const Step& step) {
    if (!Replaced(record, step.accelerator).empty()) return true;  // not its card to put back
    if (!step.shared) return false;
    const std::lock_guard lock(mutex_);
    return ledger_.SharedWithOthers(step, uid);
  };
  const auto undo = [&]() -> Result<> {
    if (!record.standing) DRAPCI_CHECK(cdi_dir_.Remove(CdiFile(uid)));
    DRAPCI_CHECK(executor_.Undo(record.plan, still_needed));
    return journal_.Erase(uid);
  };
  if (auto undone = undo(); !undone) {
    KeepTrouble(std::move(record), undone.error());
    return undone;
  }
  Dismiss(uid);
  return {};
}

void NodeManager::KeepTrouble(ClaimRecord record, const Error& error) {
  Log(LogLevel::kError, "claim {} could not be undone and stays blocked: {}", record.request.uid,
      error.what);
  record.state = ClaimState::kUnpreparing;
  record.trouble = error.what;
  Remember(record);
  // What the journal has already leads to the same undoing after a restart; only the reason is
  // missing.
  if (auto noted = journal_.Put(record); !noted) {
    Log(LogLevel::kError, "and the journal cannot say so: {}", noted.error().what);
  }
}

}  // namespace drapci::driver
