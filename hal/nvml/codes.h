// What NVML's return codes mean to us.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/result.h"
#include "hal/nvml/abi.h"

namespace drapci::hal::nvml {

// "NVML_ERROR_IN_USE (19)"; "NVML error 77" for a code that came after us.
std::string ReturnName(Return code);

// The error for `code`, which is no success: "CONTEXT: NVML_ERROR_IN_USE (19): MEANING".
Error ErrorOf(Return code, std::string_view context);

// The library has lost its driver, or never had this one: initialized anew it may well answer.
bool AsksForNewInit(Return code);

}  // namespace drapci::hal::nvml
