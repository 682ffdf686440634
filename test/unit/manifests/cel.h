// As much of CEL as the selectors of this driver's classes use, so that they can be tried on what
// is published. Stricter than the scheduler: an error on the left of && and || is an error.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::plugin {

// What a selector calls `device`: of a device as a ResourceSlice has it.
nlohmann::json CelDevice(const nlohmann::json& published);

// Strings, whole numbers, true, false, lists, device.x["y"].z, has(), ==, !=, <, <=, >, >=, in, !,
// &&, ||, and parentheses. An attribute that the device does not have is an error, as in the
// scheduler, where it stops the pod.
Result<bool> Selects(std::string_view expression, const nlohmann::json& device);

}  // namespace drapci::plugin
