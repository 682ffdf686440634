#include "plugin/slices/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "hal/base/parse.h"
#include "plugin/slices/attributes.h"
#include "plugin/slices/convert.h"
#include "plugin/text.h"

namespace drapci::plugin::slices {
namespace {

using CounterNames = std::map<std::string, std::set<std::string>>;  // by set

bool IsSubdomain(std::string_view text, size_t limit) {
  const auto labels = Split(text, '.');
  return !labels.empty() && text.size() <= limit && std::ranges::all_of(labels, IsDnsLabel);
}

bool IsIdentifier(std::string_view text) {
  const auto known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, known) &&
         (text[0] < '0' || text[0] > '9');
}

// "[domain/]id"
bool IsQualifiedName(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return IsIdentifier(text);
  return IsSubdomain(text.substr(0, slash), 63) && IsIdentifier(text.substr(slash + 1));
}

// "[domain/]name", as keys of labels are.
bool IsLabelKey(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (!IsSubdomain(text.substr(0, slash), 253)) return false;
    text = text.substr(slash + 1);
  }
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && alphanumeric(text.front()) &&
         alphanumeric(text.back()) && std::ranges::all_of(text, [&](char c) {
           return alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

class Checker {
 public:
  explicit Checker(const Pool& pool) : pool_(pool) {}

  Result<> Check() {
    const auto parts = Split(pool_.name, '/');
    const bool named = !parts.empty() && pool_.name.size() <= 253 &&
                       std::ranges::all_of(parts, [](auto each) { return IsSubdomain(each, 253); });
    if (!named) return Wrong("the name is no list of DNS subdomains of 253 bytes in all");
    if (pool_.slices.empty()) return Wrong("has no slice");
    for (const SliceContent& slice : pool_.slices) DRAPCI_CHECK(CheckSets(slice));
    for (const SliceContent& slice : pool_.slices) {
      if (slice.devices.size() > kMaxDevices) {
        return Wrong(fmt::format("a slice has {} devices, at most {} are allowed",
                                 slice.devices.size(), kMaxDevices));
      }
      for (const SliceDevice& device : slice.devices) DRAPCI_CHECK(CheckDevice(device));
    }
    return {};
  }

 private:
  Result<> Wrong(std::string_view what) const {
    return Fail(Code::kInvalid, fmt::format("pool {}: {}", Printable(pool_.name, 300), what));
  }
  Result<> Wrong(const SliceDevice& device, std::string_view what) const {
    return Wrong(fmt::format("device {}: {}", Printable(device.name, 100), what));
  }

  Result<> CheckSets(const SliceContent& slice) {
    if (!slice.devices.empty() && !slice.counter_sets.empty()) {
      return Wrong("a slice has both devices and counters");
    }
    if (slice.counter_sets.size() > kMaxCounterSets) {
      return Wrong(fmt::format("a slice has {} counter sets, at most {} are allowed",
                               slice.counter_sets.size(), kMaxCounterSets));
    }
    for (const CounterSet& set : slice.counter_sets) {
      const std::string name = Printable(set.name, 100);
      if (!IsDnsLabel(set.name)) return Wrong(fmt::format("counter set {}: no DNS label", name));
      if (counters_.contains(set.name)) return Wrong(fmt::format("has counter set {} twice", name));
      if (set.counters.empty() || set.counters.size() > kMaxCounters) {
        return Wrong(fmt::format("counter set {} has {} counters, allowed are 1 to {}", name,
                                 set.counters.size(), kMaxCounters));
      }
      for (const auto& [counter, value] : set.counters) {
        if (!IsDnsLabel(counter)) {
          return Wrong(
              fmt::format("counter set {}: {} is no DNS label", name, Printable(counter, 100)));
        }
        if (value < 0) return Wrong(fmt::format("counter {} of {} is negative", counter, name));
        counters_[set.name].insert(counter);
      }
    }
    return {};
  }

  Result<> CheckDevice(const SliceDevice& device) {
    if (!IsDnsLabel(device.name)) return Wrong(device, "the name is no DNS label of 63 bytes");
    if (!devices_.insert(device.name).second) return Wrong(device, "is in the pool twice");
    const size_t facts = device.attributes.size() + device.capacity.size();
    if (facts > kMaxAttributesAndCapacities) {
      return Wrong(device, fmt::format("has {} attributes and capacities, at most {} are allowed",
                                       facts, kMaxAttributesAndCapacities));
    }
    DRAPCI_CHECK(CheckAttributes(device));
    DRAPCI_CHECK(CheckConsumption(device));
    for (const auto& [name, capacity] : device.capacity) {
      if (!IsQualifiedName(name)) {
        return Wrong(device, "capacity " + Printable(name, 100) + ": no qualified name");
      }
      DRAPCI_CHECK(CheckCapacity(device, name, capacity));
    }
    return CheckTaintsAndBinding(device);
  }

  Result<> CheckAttributes(const SliceDevice& device) const {
    for (const auto& [name, value] : device.attributes) {
      const std::string shown = Printable(name, 100);
      if (!IsQualifiedName(name)) {
        return Wrong(device, fmt::format("attribute {}: no qualified name", shown));
      }
      const auto* text = std::get_if<std::string>(&value);
      const auto* version = std::get_if<Version>(&value);
      if ((text != nullptr && text->size() > kMaxText) ||
          (version != nullptr && version->text.size() > kMaxText)) {
        return Wrong(device, fmt::format("attribute {} is longer than {} bytes", shown, kMaxText));
      }
      if (version != nullptr && !IsSemanticVersion(version->text)) {
        return Wrong(device, fmt::format("attribute {} is no semantic version", shown));
      }
    }
    return {};
  }

  Result<> CheckConsumption(const SliceDevice& device) const {
    if (device.consumes.size() > 2) {
      return Wrong(device, fmt::format("takes from {} counter sets, at most 2 are allowed",
                                       device.consumes.size()));
    }
    std::set<std::string_view> seen;
    for (const CounterConsumption& from : device.consumes) {
      const auto set = counters_.find(from.counter_set);
      const std::string shown = Printable(from.counter_set, 100);
      if (set == counters_.end()) return Wrong(device, "takes from no counter set " + shown);
      if (!seen.insert(from.counter_set).second) return Wrong(device, "names twice " + shown);
      if (from.counters.empty() || from.counters.size() > kMaxCounters) {
        return Wrong(device, fmt::format("takes from {} counters of {}, allowed are 1 to {}",
                                         from.counters.size(), shown, kMaxCounters));
      }
      for (const auto& [counter, value] : from.counters) {
        if (!set->second.contains(counter)) {
          return Wrong(device, fmt::format("takes from {}, which {} has not",
                                           Printable(counter, 100), shown));
        }
        if (value < 0) return Wrong(device, "takes a negative number of " + counter);
      }
    }
    return {};
  }

  Result<> CheckCapacity(const SliceDevice& device, const std::string& name,
                         const Capacity& capacity) const {
    if (capacity.value < 0) return Wrong(device, "capacity " + name + " is negative");
    if (!capacity.policy) return {};
    const RequestPolicy& policy = *capacity.policy;
    const int64_t max = policy.max.value_or(capacity.value);
    const int64_t step = std::max<int64_t>(policy.step, 1);
    const bool sound = device.allow_multiple_allocations && policy.min >= 0 && policy.step >= 0 &&
                       policy.min <= policy.default_value && policy.default_value <= max &&
                       max <= capacity.value && policy.step <= capacity.value - policy.min &&
                       (policy.default_value - policy.min) % step == 0 &&
                       (!policy.max || (max - policy.min) % step == 0);
    return sound ? Result<>() : Wrong(device, "capacity " + name + " has an impossible policy");
  }

  Result<> CheckTaintsAndBinding(const SliceDevice& device) const {
    if (device.taints.size() > kMaxTaints) {
      return Wrong(device, fmt::format("has {} taints, at most {} are allowed",
                                       device.taints.size(), kMaxTaints));
    }
    for (const Taint& taint : device.taints) {
      if (!IsLabelKey(taint.key) || (!taint.value.empty() && !IsLabelKey(taint.value))) {
        return Wrong(device, "taint " + Printable(taint.key, 100) + " has a bad key or value");
      }
    }
    const auto& good = device.binding_conditions;
    const auto& bad = device.binding_failure_conditions;
    std::set<std::string_view> names(good.begin(), good.end());
    names.insert(bad.begin(), bad.end());
    const bool sound = good.empty() == bad.empty() && good.size() <= 4 && bad.size() <= 4 &&
                       names.size() == good.size() + bad.size() &&
                       std::ranges::all_of(names, IsLabelKey);
    return sound ? Result<>() : Wrong(device, "its binding conditions are no valid lists");
  }

  const Pool& pool_;
  CounterNames counters_;
  std::set<std::string> devices_;
};

}  // namespace

Result<> CheckPool(const Pool& pool) { return Checker(pool).Check(); }

}  // namespace drapci::plugin::slices
