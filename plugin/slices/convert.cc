#include "plugin/slices/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "plugin/slices/attributes.h"

namespace drapci::plugin::slices {
namespace {

// The counter of an accelerator that has no parts (hal/accel/function.cc).
constexpr std::string_view kPlainCounter = "functions";

bool HasPartsToCount(const std::map<std::string, int64_t>& counters) {
  return std::ranges::any_of(counters,
                             [](const auto& counter) { return counter.first != kPlainCounter; });
}

// Told from the counters, since those of a held device are known even when its card is gone.
bool IsPartitionable(const driver::AcceleratorView& accelerator) {
  return HasPartsToCount(accelerator.description.counters) ||
         std::ranges::any_of(accelerator.devices, [](const driver::Device& device) {
           return HasPartsToCount(device.part.consumes);
         });
}

bool IsHeld(const driver::Device& device) {
  return !device.held_by.empty() || !device.shared_by.empty();
}

// A counter's name as a DNS label.
std::string LabelOf(std::string_view name) {
  std::string label(name);
  for (char& c : label) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_' || c == '.') c = '-';
  }
  return label;
}

constexpr const char *kNoSchedule = "NoSchedule", *kNoExecute = "NoExecute", *kNoEffect = "None";

const char* EffectOf(driver::Severity severity) {
  switch (severity) {
    case driver::Severity::kNoExecute: return kNoExecute;
    case driver::Severity::kNoSchedule: return kNoSchedule;
    case driver::Severity::kNote: break;
  }
  return kNoEffect;
}

int Rank(std::string_view effect) {
  if (effect == kNoExecute) return 0;
  return effect == kNoSchedule ? 1 : 2;
}

// A reason as a label's value: at most 63 letters, digits, '-', '_' and '.', the first and the last
// a letter or digit.
std::string LabelValue(std::string_view reason) {
  constexpr size_t kMaxValue = 63;
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  std::string value(reason.substr(0, kMaxValue));
  for (char& c : value) {
    if (!alphanumeric(c) && c != '_' && c != '.') c = '-';
  }
  while (!value.empty() && !alphanumeric(value.back())) value.pop_back();
  value.erase(0, static_cast<size_t>(std::ranges::find_if(value, alphanumeric) - value.begin()));
  return value;
}

template <class T>
std::vector<std::vector<T>> Chunks(std::vector<T> items, size_t size) {
  std::vector<std::vector<T>> chunks;
  for (size_t at = 0; at < items.size(); ++at) {
    if (at % size == 0) chunks.emplace_back();
    chunks.back().push_back(std::move(items[at]));
  }
  return chunks;
}

// What one share may be, in terms that the API server takes: the smallest, the largest and the
// usual share are whole steps apart, and one step more than the smallest is still there.
std::optional<RequestPolicy> PolicyOf(const hal::Capacity& capacity) {
  RequestPolicy policy;
  policy.min = std::max<int64_t>(capacity.min, 0);
  if (policy.min > capacity.value) return std::nullopt;
  const bool stepped = capacity.step > 0 && capacity.step <= capacity.value - policy.min;
  policy.step = stepped ? capacity.step : 0;
  const auto reachable = [&policy](int64_t value) {
    return policy.step == 0 ? value : value - (value - policy.min) % policy.step;
  };
  const int64_t most =
      reachable(std::clamp(capacity.max.value_or(capacity.value), policy.min, capacity.value));
  if (capacity.max) policy.max = most;
  policy.default_value = reachable(std::clamp(capacity.default_share, policy.min, most));
  return policy;
}

// The pool of one accelerator that can be partitioned.
class CardPool {
 public:
  CardPool(const driver::AcceleratorView& card, const std::string& driver_name,
           const Features& features)
      : card_(card), driver_name_(driver_name), features_(features) {
    // One device alone has nobody to count against.
    counted_ = features.partitionable && card.devices.size() > 1;
    if (counted_) sets_ = MakeCounterSets();
  }

  std::vector<SliceDevice> Devices() {
    std::vector<SliceDevice> devices;
    // Parts before the whole: the scheduler takes the first that fits.
    for (const bool whole : {false, true}) {
      for (const driver::Device& device : card_.devices) {
        if (device.part.name.empty() == whole && IsListed(device)) {
          devices.push_back(Convert(device));
        }
      }
    }
    return devices;
  }

  const std::vector<CounterSet>& counter_sets() const { return sets_; }

 private:
  // The card's stock, with what `devices` take: of a card that was gone at start no more is known.
  std::vector<CounterSet> MakeCounterSets() const {
    std::map<std::string, int64_t> stock;
    for (const auto& [name, value] : card_.description.counters)
      stock.emplace(LabelOf(name), value);
    std::map<std::string, int64_t> unknown;
    for (const driver::Device& device : card_.devices) {
      for (const auto& [name, value] : device.part.consumes) {
        if (!stock.contains(LabelOf(name))) unknown[LabelOf(name)] += value;
      }
    }
    stock.merge(unknown);
    std::vector<CounterSet> sets;
    for (const auto& [name, value] : stock) {
      if (sets.empty() || sets.back().counters.size() == kMaxCounters) {
        sets.push_back({.name = SetName(sets.size()), .counters = {}});
      }
      sets.back().counters.emplace(name, value);
    }
    return sets;
  }

  std::string SetName(size_t index) const {
    return index == 0 ? card_.name : fmt::format("{}-{}", card_.name, index);
  }

  bool IsListed(const driver::Device& device) const {
    const hal::Part& part = device.part;
    if (part.stands_for_share || (!part.capacities.empty() && !features_.consumable)) return false;
    if (IsHeld(device)) return true;
    if (card_.gone || !card_.description.unusable.empty() || !card_.description.foreign.empty()) {
      return false;
    }
    if (!device.unusable.empty() && !IsOnlyTakenAway(device)) return false;
    // Without a driver of its own the PF makes no VFs, whatever a claim has bound it to now.
    if (!device.excluded.empty() && MadeByDriver(device) && card_.home_driver.empty()) return false;
    return counted_ || !IsPartitionable(card_) || IsSafe(device);
  }

  // Whether it is unusable only for as long as somebody holds the rest of the card: VFs of a PF
  // that a claim has through VFIO. Counters keep the scheduler off it, and it stays as it is
  // listed.
  bool IsOnlyTakenAway(const driver::Device& device) const {
    return !device.excluded.empty() && MadeByDriver(device) && !card_.home_driver.empty() &&
           card_.home_driver != "vfio-pci";
  }
  bool MadeByDriver(const driver::Device& device) const {
    return !device.part.name.empty() && card_.policy.vfs == hal::AcceleratorPolicy::Vfs::kOnDemand;
  }

  // Whether it can be listed where the server keeps no counters: either the whole or the parts that
  // are always there, never both.
  bool IsSafe(const driver::Device& device) const {
    if (!device.excluded.empty()) return false;
    if (card_.devices.size() == 1) return true;
    const bool lasting = card_.policy.vfs != hal::AcceleratorPolicy::Vfs::kOnDemand;
    return device.part.name.empty() != lasting;
  }

  SliceDevice Convert(const driver::Device& device) const {
    SliceDevice slice_device;
    slice_device.name = device.name;
    for (const auto& [name, capacity] : device.part.capacities) {
      slice_device.capacity.emplace(
          name, Capacity{.value = capacity.value, .policy = PolicyOf(capacity)});
    }
    slice_device.allow_multiple_allocations = !device.part.capacities.empty();
    const size_t room = kMaxAttributesAndCapacities -
                        std::min(slice_device.capacity.size(), kMaxAttributesAndCapacities);
    slice_device.attributes = AttributesOf(card_, device, room);
    if (counted_) slice_device.consumes = Consumption(device);
    if (features_.taints) slice_device.taints = TaintsOf(device);
    if (features_.binding && card_.policy.binding_conditions) {
      slice_device.binds_to_node = true;
      slice_device.binding_conditions = {driver_name_ + "/Prepared"};
      slice_device.binding_failure_conditions = {driver_name_ + "/PrepareFailed"};
    }
    return slice_device;
  }

  // Gravest first, and in the same order for the same findings; the least are left out where there
  // are more than every server takes.
  std::vector<Taint> TaintsOf(const driver::Device& device) const {
    std::vector<Taint> taints;
    const bool broken = card_.gone || !device.unusable.empty();
    if (broken && IsHeld(device)) {
      taints.push_back({.key = driver_name_ + "/unusable",
                        .value = card_.gone ? "gone" : "unusable",
                        .effect = kNoSchedule,
                        .time_added = {}});
    }
    for (const driver::Finding& finding : card_.health.findings) {
      if (finding.severity == driver::Severity::kNote && !features_.note_taints) continue;
      Taint taint{.key = driver_name_ + "/unhealthy",
                  .value = LabelValue(finding.reason),
                  .effect = EffectOf(finding.severity),
                  .time_added = {}};
      // Two rules may have the same reason.
      const bool known = std::ranges::any_of(taints, [&taint](const Taint& each) {
        return each.key == taint.key && each.value == taint.value && each.effect == taint.effect;
      });
      if (!known) taints.push_back(std::move(taint));
    }
    std::ranges::sort(taints, {}, [](const Taint& taint) {
      return std::tuple(Rank(taint.effect), taint.key, taint.value);
    });
    if (taints.size() > kMaxTaints) taints.resize(kMaxTaints);
    return taints;
  }

  std::vector<CounterConsumption> Consumption(const driver::Device& device) const {
    std::vector<CounterConsumption> consumption;
    for (const CounterSet& set : sets_) {
      CounterConsumption from{.counter_set = set.name, .counters = {}};
      for (const auto& [name, value] : device.part.consumes) {
        if (value != 0 && set.counters.contains(LabelOf(name))) {
          from.counters.emplace(LabelOf(name), value);
        }
      }
      if (!from.counters.empty()) consumption.push_back(std::move(from));
    }
    return consumption;
  }

  const driver::AcceleratorView& card_;
  const std::string& driver_name_;
  const Features features_;
  bool counted_ = false;
  std::vector<CounterSet> sets_;
};

void AddDevices(std::vector<SliceDevice> devices, Pool& pool) {
  for (auto& chunk : Chunks(std::move(devices), kMaxDevices)) {
    pool.slices.push_back({.devices = std::move(chunk), .counter_sets = {}});
  }
}

}  // namespace

std::string PoolName(const std::string& node_name, const driver::AcceleratorView& accelerator) {
  return IsPartitionable(accelerator) ? fmt::format("{}/{}", node_name, accelerator.name)
                                      : node_name;
}

std::vector<Pool> MakePools(const driver::Snapshot& snapshot, const std::string& driver_name,
                            const std::string& node_name, const Features& features) {
  std::vector<SliceDevice> plain;
  std::vector<Pool> pools;
  for (const driver::AcceleratorView& accelerator : snapshot.accelerators) {
    CardPool card(accelerator, driver_name, features);
    std::vector<SliceDevice> devices = card.Devices();
    if (devices.empty()) continue;
    if (!IsPartitionable(accelerator)) {
      std::ranges::move(devices, std::back_inserter(plain));
      continue;
    }
    Pool& pool = pools.emplace_back();
    pool.name = PoolName(node_name, accelerator);
    for (auto& chunk : Chunks(card.counter_sets(), kMaxCounterSets)) {
      pool.slices.push_back({.devices = {}, .counter_sets = std::move(chunk)});
    }
    AddDevices(std::move(devices), pool);
  }
  // A node with nothing to give says so, by an empty slice: its driver is alive.
  if (!plain.empty() || pools.empty()) {
    Pool& pool = *pools.insert(pools.begin(), Pool{.name = node_name, .slices = {}});
    AddDevices(std::move(plain), pool);
    if (pool.slices.empty()) pool.slices.emplace_back();
  }
  return pools;
}

}  // namespace drapci::plugin::slices
