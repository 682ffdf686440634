#include "plugin/health/teller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "hal/base/log.h"
#include "hal/base/parse.h"
#include "plugin/claims/claim_view.h"
#include "plugin/text.h"

namespace drapci::plugin::health {
namespace {

using driver::HealthState;

constexpr const char* kFile = "unhealthy-claims";
constexpr size_t kMaxMarked = 65'536;

// The API's rule: letters, digits, '_', ',' and ':', a letter first, no ',' or ':' last.
std::string ConditionReason(std::string_view reason) {
  std::string word;
  for (const char c : reason.substr(0, 256)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (word.empty() && !letter) continue;
    word += letter || digit ? c : '_';
  }
  return word.empty() ? "Unspecified" : word;
}

}  // namespace

Turn TurnOf(const driver::Health& before, const driver::Health& now) {
  const bool was = before.state == HealthState::kUnhealthy;
  const bool is = now.state == HealthState::kUnhealthy;
  if (is) return was && before.reason == now.reason ? Turn::kNone : Turn::kUnhealthy;
  // Who cannot be measured any more has not recovered.
  return was && now.state == HealthState::kHealthy ? Turn::kRecovered : Turn::kNone;
}

HealthTeller::HealthTeller(driver::Manager& manager, claims::Events& events,
                           claims::StatusWriter* statuses, hal::StateDir* state, Options options)
    : manager_(manager),
      events_(events),
      statuses_(statuses),
      state_(state),
      options_(std::move(options)) {
  if (state_ == nullptr) return;
  const auto text = state_->Read(kFile);
  if (!text) return;  // there was none
  for (const std::string_view uid : Split(*text, '\n')) {
    // Those that are not held any more have nothing to put right.
    if (driver::IsValidUid(uid) && marked_.size() < kMaxMarked && manager_.FindClaim(uid)) {
      marked_.emplace(uid);
    }
  }
  unsure_ = marked_;
}

const driver::Health* HealthTeller::HealthOf(const std::string& card) const {
  const auto found = told_.find(card);
  return found == told_.end() ? nullptr : &found->second;
}

void HealthTeller::Look(const driver::Snapshot& snapshot) {
  std::map<std::string, driver::Health> now;
  std::set<std::string> changed;
  for (const driver::AcceleratorView& card : snapshot.accelerators) {
    const driver::Health* before = HealthOf(card.name);
    static const driver::Health kNothing;
    const Turn turn = TurnOf(before == nullptr ? kNothing : *before, card.health);
    if (turn != Turn::kNone) TellEvent(card, turn);
    const bool concerns_claims = card.health.state == HealthState::kUnhealthy ||
                                 (before != nullptr && before->state != card.health.state) ||
                                 (before == nullptr && !unsure_.empty());
    if (concerns_claims && (before == nullptr || !before->Says(card.health))) {
      changed.insert(card.name);
    }
    now.emplace(card.name, card.health);
  }
  told_ = std::move(now);
  if (!changed.empty()) WriteClaims(changed);
}

void HealthTeller::TellEvent(const driver::AcceleratorView& card, Turn turn) {
  // `kubectl describe node` looks for events by this UID.
  const claims::EventSubject node{.api_version = "v1",
                                  .kind = "Node",
                                  .namespace_name = {},
                                  .name = options_.node_name,
                                  .uid = options_.node_name};
  if (turn == Turn::kUnhealthy) {
    events_.Tell(node, /*warning=*/true, "DeviceUnhealthy",
                 fmt::format("{} ({}, driver {}): {}: {}", card.name, card.family,
                             options_.driver_name, card.health.reason, card.health.message));
  } else {
    events_.Tell(node, /*warning=*/false, "DeviceRecovered",
                 fmt::format("{} ({}, driver {}) is healthy again", card.name, card.family,
                             options_.driver_name));
  }
}

std::vector<claims::DeviceStatus> HealthTeller::StatusOf(const driver::ClaimRecord& record) {
  std::vector<claims::DeviceStatus> devices = claims::StatusOf(record);
  const std::string& uid = record.request.uid;
  const bool unhealthy = std::ranges::any_of(record.answer.devices, [this](const auto& device) {
    const driver::Health* health = HealthOf(device.accelerator);
    return health != nullptr && health->state == HealthState::kUnhealthy;
  });
  if (!unhealthy && !marked_.contains(uid)) return devices;
  Mark(uid, true);
  for (size_t i = 0; i < devices.size() && i < record.answer.devices.size(); ++i) {
    const driver::Health* health = HealthOf(record.answer.devices[i].accelerator);
    if (health == nullptr) continue;
    const char* status = health->state == HealthState::kHealthy     ? "True"
                         : health->state == HealthState::kUnhealthy ? "False"
                                                                    : "Unknown";
    devices[i].conditions.push_back(
        {.type = options_.driver_name + "/Healthy",
         .status = status,
         .reason = ConditionReason(health->reason),
         .message = health->message,
         .since = std::max<int64_t>(0, claims::SecondsOf(health->since))});
  }
  return devices;
}

void HealthTeller::WriteClaims(const std::set<std::string>& cards) {
  if (!options_.claim_status || statuses_ == nullptr) return;
  for (const driver::ClaimRecord& record : manager_.Claims()) {
    if (record.standing || record.state != driver::ClaimState::kPrepared) continue;
    const bool concerned = std::ranges::any_of(record.answer.devices, [&](const auto& device) {
      return cards.contains(device.accelerator);
    });
    if (!concerned) continue;
    unsure_.erase(record.request.uid);
    std::vector<claims::DeviceStatus> devices = StatusOf(record);
    if (!marked_.contains(record.request.uid)) continue;
    statuses_->Write(record.request, std::move(devices), {});
  }
}

void HealthTeller::Released(const std::string& uid) {
  unsure_.erase(uid);
  Mark(uid, false);
}

void HealthTeller::Mark(const std::string& uid, bool marked) {
  const bool changed = marked ? marked_.insert(uid).second : marked_.erase(uid) > 0;
  if (changed) Save();
}

void HealthTeller::Save() {
  if (state_ == nullptr) return;
  const auto saved = marked_.empty()
                         ? state_->Remove(kFile)
                         : state_->Replace(kFile, fmt::format("{}\n", fmt::join(marked_, "\n")));
  if (!saved) Log(LogLevel::kWarning, "{}", OneLine(saved.error()));
}

}  // namespace drapci::plugin::health
