// When two slices say the same, and what a server has dropped from one.
#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {
namespace {

std::optional<std::time_t> Seconds(const std::string& rfc3339) {
  std::tm time = {};
  const char* end = ::strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&time);
}

bool SameTaint(const Taint& one, const Taint& other) {
  if (one.key != other.key || one.value != other.value || one.effect != other.effect) return false;
  if (one.time_added.empty() || other.time_added.empty()) return true;
  if (one.time_added == other.time_added) return true;
  const auto first = Seconds(one.time_added), second = Seconds(other.time_added);
  // The server rounds to seconds.
  return first && second && *first - *second <= 1 && *second - *first <= 1;
}

bool SameDevice(const SliceDevice& one, const SliceDevice& other) {
  return one.name == other.name && one.attributes == other.attributes &&
         one.capacity == other.capacity && one.consumes == other.consumes &&
         std::ranges::equal(one.taints, other.taints, SameTaint) &&
         one.allow_multiple_allocations == other.allow_multiple_allocations &&
         one.binds_to_node == other.binds_to_node &&
         one.binding_conditions == other.binding_conditions &&
         one.binding_failure_conditions == other.binding_failure_conditions;
}

bool HasPolicy(const SliceDevice& device) {
  return std::ranges::any_of(
      device.capacity, [](const auto& capacity) { return capacity.second.policy.has_value(); });
}

Features UsedBy(const SliceDevice& device) {
  return {.partitionable = !device.consumes.empty(),
          .consumable = device.allow_multiple_allocations || HasPolicy(device),
          .taints = !device.taints.empty(),
          .binding = device.binds_to_node || !device.binding_conditions.empty(),
          .note_taints = false};
}

// A feature is kept where it was not sent, or is still there.
void Keep(const Features& sent, const Features& answered, Features& kept) {
  kept.partitionable &= !sent.partitionable || answered.partitionable;
  kept.consumable &= !sent.consumable || answered.consumable;
  kept.taints &= !sent.taints || answered.taints;
  kept.binding &= !sent.binding || answered.binding;
}

}  // namespace

bool SameContent(const SliceContent& one, const SliceContent& other) {
  return one.counter_sets == other.counter_sets &&
         std::ranges::equal(one.devices, other.devices, SameDevice);
}

Features Used(const SliceContent& content) {
  Features used{.partitionable = !content.counter_sets.empty(),
                .consumable = false,
                .taints = false,
                .binding = false,
                .note_taints = false};
  for (const SliceDevice& device : content.devices) {
    const Features each = UsedBy(device);
    used.partitionable |= each.partitionable;
    used.consumable |= each.consumable;
    used.taints |= each.taints;
    used.binding |= each.binding;
  }
  return used;
}

Features Kept(const SliceContent& sent, const SliceContent& answered) {
  Features kept;
  kept.partitionable = sent.counter_sets.empty() || !answered.counter_sets.empty();
  for (const SliceDevice& device : sent.devices) {
    const auto found = std::ranges::find(answered.devices, device.name, &SliceDevice::name);
    if (found != answered.devices.end()) Keep(UsedBy(device), UsedBy(*found), kept);
  }
  return kept;
}

}  // namespace drapci::plugin::slices
