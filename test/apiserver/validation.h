// The rules of contract sections 5.1, 5.2, 5.3 and 5.7, by version. Objects are decoded before
// (schema.h), so that types are right; gated fields have been dropped (drop.h).
#pragma once

#include "test/apiserver/gates.h"
#include "test/apiserver/status.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

void CheckMetadata(const json& object, bool namespaced, Causes& causes);

// `old` is null on create.
void CheckSlice(const Gates& gates, const json& old, const json& slice, Causes& causes);
void CheckDevice(const Gates& gates, const std::string& path, bool per_device_nodes,
                 const json& device, Causes& causes);
void CheckCapacity(const Gates& gates, const std::string& path, bool multiple, const json& capacity,
                   Causes& causes);
// One term; its requirements are not looked into.
void CheckNodeSelector(const std::string& path, const json& selector, Causes& causes);
// A map of counters, 1 to `most`.
void CheckCounters(const std::string& path, const json& holder, size_t most, Causes& causes);

// `group` is "" or "events.k8s.io".
void CheckEvent(std::string_view group, const json& event, Causes& causes);

void CheckClaimStatus(const json& old, const json& claim, Causes& causes);

// The most devices that a slice may have, given what its devices use.
size_t DeviceLimit(const Gates& gates, const json& devices);

}  // namespace drapci::apiserver
