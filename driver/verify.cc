// Journal against hardware against CDI directory.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "driver/node_manager.h"

namespace drapci::driver {

std::vector<Difference> NodeManager::VerifyClaim(const std::string& uid) {
  std::vector<Difference> differences;
  const auto record = FindClaim(uid);
  if (!record) return differences;
  if (record->state != ClaimState::kPrepared) {
    differences.push_back(
        {uid, "journal",
         fmt::format("is {}: {}", ClaimStateName(record->state),
                     record->trouble.empty() ? "unprepare or prepare it again" : record->trouble)});
    return differences;
  }
  if (std::string replaced = Replaced(*record); !replaced.empty()) {
    differences.push_back({uid, "card", std::move(replaced)});
    return differences;
  }
  for (const auto& [step, text] : executor_.Check(record->plan)) {
    differences.push_back({uid, step.Key(), text});
  }
  if (record->standing) return differences;
  const std::string file = fmt::format("{}/{}", cdi_dir_.path(), CdiFile(uid));
  const auto text = cdi_dir_.Read(CdiFile(uid));
  if (!text) {
    differences.push_back({uid, file, text.error().what});
  } else if (*text != record->cdi_spec) {
    differences.push_back({uid, file, "has been changed by somebody else"});
  }
  return differences;
}

std::vector<Difference> NodeManager::VerifyCdiDir() {
  std::vector<Difference> differences;
  const auto names = cdi_dir_.List();
  if (!names) return {{"", cdi_dir_.path(), names.error().what}};
  std::set<std::string> wanted;
  for (const ClaimRecord& record : Claims()) wanted.insert(CdiFile(record.request.uid));
  for (const std::string& name : *names) {
    if (IsOurCdiFile(config_.driver_name, name) && !wanted.contains(name)) {
      differences.push_back(
          {"", fmt::format("{}/{}", cdi_dir_.path(), name), "belongs to no claim"});
    }
  }
  return differences;
}

void NodeManager::Verify(std::function<void(Result<std::vector<Difference>>)> done) {
  // Each claim is looked at in its own lanes, when nothing is changing it; the last to finish
  // answers.
  struct Round {
    std::mutex mutex;
    size_t open = 1;
    std::vector<Difference> found;
    std::function<void(Result<std::vector<Difference>>)> done;
  };
  auto* round = new Round{.mutex = {}, .open = 1, .found = {}, .done = std::move(done)};
  const auto add = [round](std::vector<Difference> more) {
    bool last = false;
    {
      const std::lock_guard lock(round->mutex);
      std::ranges::move(more, std::back_inserter(round->found));
      last = --round->open == 0;
    }
    if (!last) return;
    const std::unique_ptr<Round> owned(round);
    std::ranges::sort(owned->found, {}, [](const Difference& difference) {
      return std::tie(difference.claim_uid, difference.subject);
    });
    owned->done(std::move(owned->found));
  };
  for (const ClaimRecord& record : Claims()) {
    {
      const std::lock_guard lock(round->mutex);
      ++round->open;
    }
    SubmitForClaim(record.request.uid, {},
                   [this, add, uid = record.request.uid] { add(VerifyClaim(uid)); });
  }
  lanes_.Submit({}, [this, add] { add(VerifyCdiDir()); });
}

}  // namespace drapci::driver
