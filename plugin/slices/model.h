// ResourceSlices (resource.k8s.io/v1) as values: what the node wants to publish, and what is
// stored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace drapci::plugin::slices {

// A semantic version has a type of its own in the API.
struct Version {
  std::string text;
  bool operator==(const Version&) const = default;
};
using Attribute = std::variant<bool, int64_t, std::string, Version>;

struct RequestPolicy {
  int64_t default_value = 0, min = 0;
  int64_t step = 0;  // 0: every value from min to max (the API knows no step of 0)
  std::optional<int64_t> max;
  bool operator==(const RequestPolicy&) const = default;
};
struct Capacity {
  int64_t value = 0;
  std::optional<RequestPolicy> policy;
  bool operator==(const Capacity&) const = default;
};

struct Taint {
  std::string key, value, effect;  // NoSchedule, NoExecute, None
  std::string time_added;          // RFC 3339; empty: the server fills it in, and equal to any
};

struct CounterConsumption {
  std::string counter_set;
  std::map<std::string, int64_t> counters;
  bool operator==(const CounterConsumption&) const = default;
};

struct SliceDevice {
  std::string name;
  std::map<std::string, Attribute> attributes;  // qualified names
  std::map<std::string, Capacity> capacity;
  std::vector<CounterConsumption> consumes;
  std::vector<Taint> taints;
  bool allow_multiple_allocations = false;
  bool binds_to_node = false;
  std::vector<std::string> binding_conditions, binding_failure_conditions;
};

struct CounterSet {
  std::string name;
  std::map<std::string, int64_t> counters;
  bool operator==(const CounterSet&) const = default;
};

// Either devices or counter sets, never both (1.35 and newer).
struct SliceContent {
  std::vector<SliceDevice> devices;
  std::vector<CounterSet> counter_sets;
};

// A pool as the node wants it: its slices in order. One empty slice stands for an empty pool.
struct Pool {
  std::string name;
  std::vector<SliceContent> slices;
};

// What the API server can keep; what it drops or is too old for is not published in a way that
// could be over-committed.
struct Features {
  bool partitionable = true;  // sharedCounters and consumesCounters (DRAPartitionableDevices)
  bool consumable = true;     // allowMultipleAllocations (DRAConsumableCapacity)
  bool taints = true;         // DRADeviceTaints
  bool binding = true;        // DRADeviceBindingConditions
  bool note_taints = true;    // the effect None, of Kubernetes 1.35 and newer
  bool operator==(const Features&) const = default;
};

}  // namespace drapci::plugin::slices
