// The scheduler's part in a test: it allocates devices of published slices to a claim, first fit in
// the order of slices and devices, with counters and consumable capacity respected (contract
// sections 5.2, 5.4 and 5.5).
//
// Pools that a scheduler would not use are not used: incomplete ones, those with duplicate devices
// or counter sets, and those that refer to counters which do not exist.
#pragma once

#include <string_view>

#include "test/apiserver/api.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

// Creates or updates the claim; the answer is the claim, or 422 with reason Unschedulable and why.
// {"namespace","name","node","requests":[{"name","driver","pool","device","count","all",
//  "adminAccess","capacity":{},"attributes":{},"tolerate","class"}],"config":[],"reservedFor":[],
//  "annotations":{}}
Response Allocate(Api& api, std::string_view body);

// {"namespace","name"}: clears allocation, reservedFor and devices.
Response Deallocate(Api& api, std::string_view body);

}  // namespace drapci::apiserver
