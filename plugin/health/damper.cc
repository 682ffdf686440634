#include "plugin/health/damper.h"

#include <algorithm>
#include <set>

namespace drapci::plugin::health {

int Gravity(const driver::Health& health) {
  int gravity = health.state == driver::HealthState::kUnhealthy ? 2 : 0;
  for (const driver::Finding& finding : health.findings) {
    switch (finding.severity) {
      case driver::Severity::kNote: gravity = std::max(gravity, 1); break;
      case driver::Severity::kNoSchedule: gravity = std::max(gravity, 2); break;
      case driver::Severity::kNoExecute: gravity = std::max(gravity, 3); break;
    }
  }
  return gravity;
}

const driver::Health& Damper::Step(const std::string& name, const driver::Health& now,
                                   hal::MonotonicTime time) {
  const auto [found, is_new] = cards_.try_emplace(name);
  Card& card = found->second;
  const bool news = is_new || !card.last.Says(now);
  card.last = now;
  if (is_new || card.told.Says(now)) {
    card.told = now;
    card.again.reset();
    return card.told;
  }
  if (Gravity(now) > Gravity(card.told) || card.bucket.Take(time)) {
    card.told = now;
    card.again.reset();
    return card.told;
  }
  if (news) ++held_back_;
  card.again = time + card.bucket.Wait();
  return card.told;
}

std::shared_ptr<const driver::Snapshot> Damper::Step(std::shared_ptr<const driver::Snapshot> now,
                                                     hal::MonotonicTime time) {
  std::set<std::string_view> present;
  std::shared_ptr<driver::Snapshot> changed;
  for (size_t i = 0; i < now->accelerators.size(); ++i) {
    const driver::AcceleratorView& card = now->accelerators[i];
    present.insert(card.name);
    const driver::Health& told = Step(card.name, card.health, time);
    if (told.Says(card.health)) continue;
    if (changed == nullptr) changed = std::make_shared<driver::Snapshot>(*now);
    changed->accelerators[i].health = told;
  }
  std::erase_if(cards_, [&present](const auto& each) { return !present.contains(each.first); });
  if (changed != nullptr) return changed;
  return now;
}

std::optional<hal::MonotonicTime> Damper::Again() const {
  std::optional<hal::MonotonicTime> first;
  for (const auto& [name, card] : cards_) {
    if (card.again) first = std::min(first.value_or(*card.again), *card.again);
  }
  return first;
}

}  // namespace drapci::plugin::health
