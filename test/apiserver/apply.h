// Server-side apply on a status, and who owns which of its fields (metadata.managedFields).
//
// Ownership is of single fields; status.devices is a list by driver, device, pool and shareID, and
// conditions are a list by type. What a manager applied before and leaves out now is removed,
// unless somebody else owns it too.
#pragma once

#include <string>
#include <vector>

#include "test/apiserver/status.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

struct Manager {
  std::string name;
  std::string time;  // now
};

// `live` with the status of `config` applied. The error is the fields that others own with another
// value; `force` takes them instead.
std::expected<json, std::vector<Causes::Cause>> ApplyStatus(const json& live, const json& config,
                                                            const Manager& manager, bool force);

// After an update or a merge patch of the status: what differs from `old` is owned by `manager`.
void RecordStatusUpdate(const json& old, const Manager& manager, json& object);

// The entry of a manager that wrote the object as a whole.
void RecordWrite(const Manager& manager, json& object);

}  // namespace drapci::apiserver
