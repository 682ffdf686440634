// From the driver's snapshot to the pools that the node publishes. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "driver/inventory.h"
#include "plugin/slices/model.h"

namespace drapci::plugin::slices {

// The API's own limits (staging/src/k8s.io/api/resource/v1/types.go), of the strictest supported
// version, so that every slice fits every server and a taint that comes later never needs a
// re-division.
inline constexpr size_t kMaxDevices = 64, kMaxCounterSets = 8, kMaxCounters = 32,
                        kMaxAttributesAndCapacities = 32, kMaxTaints = 4, kMaxText = 64;

// The pool that `device` is published in; what claims and health say too.
std::string PoolName(const std::string& node_name, const driver::AcceleratorView& accelerator);

// One pool for each accelerator that can be partitioned (its counters in a slice of their own, then
// its devices), one, named as the node, for all plain ones. Devices come in packing order: parts
// before the whole.
//
// What cannot be given now (used by the host, disabled, changed by somebody else, without features
// the server lacks) is left out, except that what a claim holds stays listed (tainted when it is
// gone or broken): the scheduler counts only what it sees. Attributes that change with every
// prepare are not published. What speaks against a card taints all that it has: NoExecute,
// NoSchedule, or None for a mere note.
std::vector<Pool> MakePools(const driver::Snapshot& snapshot, const std::string& driver_name,
                            const std::string& node_name, const Features& features);

}  // namespace drapci::plugin::slices
