#include "driver/ledger.h"

#include <fmt/format.h>

#include "driver/inventory.h"

namespace drapci::driver {
namespace {

// No device has a '/' in its name.
bool IsShareKey(std::string_view key) { return key.contains('/'); }

}  // namespace

std::string Holding::Key() const {
  if (share_id.empty()) return device;
  std::string of_part = DeviceName(accelerator, part);
  return of_part != device ? of_part : fmt::format("{}/{}", device, share_id);
}

std::string Ledger::HoldersOf(const AcceleratorUse& use) const {
  constexpr size_t kNamed = 3;
  std::set<std::string> uids;
  for (const auto& [device, uid] : use.devices) uids.insert(uid);
  std::string text;
  size_t named = 0;
  for (const std::string& uid : uids) {
    if (named++ == kNamed) {
      return fmt::format("{} and {} more", text, uids.size() - kNamed);
    }
    text += fmt::format("{}{}", text.empty() ? "" : ", ", uid);
  }
  return text.empty() ? "nobody" : text;
}

Result<> Ledger::CheckWhole(const std::string& uid, const Holding& holding) const {
  const auto use = accelerators_.find(holding.accelerator);
  if (use == accelerators_.end()) return {};
  if (!holding.share_id.empty()) {
    const auto same = use->second.shares.find({holding.device, holding.share_id});
    if (same != use->second.shares.end() && same->second != uid) {
      return Fail(Code::kConflict,
                  fmt::format("share {} of {} is held by claim {}: unprepare that one first",
                              holding.share_id, holding.device, same->second));
    }
    if (IsShareKey(holding.Key())) return {};
  }
  for (const auto& [device, holder] : use->second.devices) {
    if (holder == uid || IsShareKey(device)) continue;
    const bool whole = device == holding.accelerator;
    if (!whole && !holding.part.empty()) return {};  // parts do not exclude each other
    return Fail(Code::kConflict,
                fmt::format("{} cannot be had beside {}, which is held by claim {}: unprepare that "
                            "one first",
                            holding.device, device, holder));
  }
  return {};
}

Result<> Ledger::Check(const std::string& uid, const std::vector<Holding>& holdings,
                       const std::map<std::string, std::map<std::string, int64_t>>& stock) const {
  std::map<std::pair<std::string, std::string>, int64_t> needed;
  std::set<std::string> asked;
  for (const Holding& holding : holdings) {
    const std::string key = holding.Key();
    if (const std::string holder = Holder(key); !holder.empty() && holder != uid) {
      return Fail(Code::kConflict,
                  fmt::format("{} is held by claim {}: unprepare that one first", key, holder));
    }
    if (!asked.insert(key).second) {
      return Fail(Code::kInvalid,
                  fmt::format("{} is asked for twice in one claim", holding.device));
    }
    DRAPCI_CHECK(CheckWhole(uid, holding));
    for (const auto& [counter, amount] : holding.consumes) {
      needed[{holding.accelerator, counter}] += amount;
    }
  }
  for (const auto& [key, amount] : needed) {
    const auto& [accelerator, counter] = key;
    const auto of_accelerator = stock.find(accelerator);
    int64_t total = 0;
    if (of_accelerator != stock.end()) {
      const auto found = of_accelerator->second.find(counter);
      if (found != of_accelerator->second.end()) total = found->second;
    }
    int64_t used = 0;
    const auto use = accelerators_.find(accelerator);
    if (use != accelerators_.end()) {
      const auto found = use->second.counters.find(counter);
      if (found != use->second.counters.end()) used = found->second;
    }
    if (used + amount > total) {
      return Fail(Code::kExhausted,
                  fmt::format("{} needs {} of its '{}', {} of {} are left: held by claim {}",
                              accelerator, amount, counter, total - used, total,
                              use == accelerators_.end() ? "nobody" : HoldersOf(use->second)));
    }
  }
  return {};
}

Result<> Ledger::Hold(const std::string& uid, const std::vector<Holding>& holdings,
                      const Plan& plan,
                      const std::map<std::string, std::map<std::string, int64_t>>& stock) {
  DRAPCI_CHECK(Check(uid, holdings, stock));
  Restore(uid, holdings, plan);
  return {};
}

void Ledger::Restore(const std::string& uid, const std::vector<Holding>& holdings,
                     const Plan& plan) {
  Release(uid);
  for (const Holding& holding : holdings) {
    AcceleratorUse& use = accelerators_[holding.accelerator];
    const std::string key = holding.Key();
    use.devices[key] = uid;
    if (!holding.share_id.empty()) use.shares[{holding.device, holding.share_id}] = uid;
    for (const auto& [counter, amount] : holding.consumes) use.counters[counter] += amount;
    device_holder_[key] = uid;
  }
  Plan shared_steps;
  for (const Step& step : plan) {
    if (!step.shared) continue;
    SharedUse& use = accelerators_[step.accelerator].shared[step.Key()];
    if (use.uids.empty()) use.step = step;
    use.uids.insert(uid);
    shared_steps.push_back(step);
  }
  claims_[uid] = {holdings, std::move(shared_steps)};
}

void Ledger::Release(const std::string& uid) {
  const auto claim = claims_.find(uid);
  if (claim == claims_.end()) return;
  for (const Holding& holding : claim->second.holdings) {
    AcceleratorUse& use = accelerators_[holding.accelerator];
    const std::string key = holding.Key();
    use.devices.erase(key);
    use.shares.erase({holding.device, holding.share_id});
    for (const auto& [counter, amount] : holding.consumes) use.counters[counter] -= amount;
    device_holder_.erase(key);
  }
  for (const Step& step : claim->second.shared_steps) {
    auto& shared = accelerators_[step.accelerator].shared;
    const auto found = shared.find(step.Key());
    if (found == shared.end()) continue;
    found->second.uids.erase(uid);
    if (found->second.uids.empty()) shared.erase(found);
  }
  claims_.erase(claim);
}

bool Ledger::InUse(const std::string& accelerator) const {
  const auto use = accelerators_.find(accelerator);
  return use != accelerators_.end() && !(use->second.devices.empty() && use->second.shared.empty());
}

std::string Ledger::Holder(std::string_view device) const {
  const auto found = device_holder_.find(device);
  return found == device_holder_.end() ? std::string() : found->second;
}

std::set<std::string> Ledger::Sharers(const std::string& accelerator,
                                      const std::string& device) const {
  std::set<std::string> uids;
  const auto use = accelerators_.find(accelerator);
  if (use == accelerators_.end()) return uids;
  for (const auto& [share, uid] : use->second.shares) {
    if (share.first == device) uids.insert(uid);
  }
  return uids;
}

std::map<std::string, int64_t> Ledger::CountersUsed(const std::string& accelerator) const {
  const auto use = accelerators_.find(accelerator);
  return use == accelerators_.end() ? std::map<std::string, int64_t>() : use->second.counters;
}

std::set<std::string> Ledger::Changed(const std::string& accelerator) const {
  std::set<std::string> keys;
  const auto use = accelerators_.find(accelerator);
  if (use == accelerators_.end()) return keys;
  for (const auto& [key, use_of_setting] : use->second.shared) keys.insert(key);
  return keys;
}

std::optional<Step> Ledger::Recorded(const std::string& accelerator, const std::string& key) const {
  const auto use = accelerators_.find(accelerator);
  if (use == accelerators_.end()) return std::nullopt;
  const auto found = use->second.shared.find(key);
  if (found == use->second.shared.end()) return std::nullopt;
  return found->second.step;
}

bool Ledger::SharedWithOthers(const Step& step, const std::string& uid) const {
  const auto use = accelerators_.find(step.accelerator);
  if (use == accelerators_.end()) return false;
  const auto found = use->second.shared.find(step.Key());
  if (found == use->second.shared.end()) return false;
  const auto& uids = found->second.uids;
  return uids.size() > (uids.contains(uid) ? 1 : 0);
}

}  // namespace drapci::driver
