// What the API server forgets silently because a feature gate is off (contract section 5.12).
#pragma once

#include "test/apiserver/gates.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

// `old` is the stored object, null on create. A field is kept on update when `old` already uses
// its feature.
void DropFromSlice(const Gates& gates, const json& old, json& slice);
void DropFromClaim(const Gates& gates, const json& old, json& claim);

}  // namespace drapci::apiserver
