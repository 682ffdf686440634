// Decoding as the API server does: types checked, unknown fields pruned, quantities and times put
// into their canonical form. Fields have the versions in which they exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "test/apiserver/types.h"

namespace drapci::apiserver {

struct Decoded {
  std::vector<std::string> unknown;  // paths of the pruned fields
};

// Changes `object`, which claims to be a `type` ("ResourceSlice"), into what Kubernetes 1.`minor`
// makes of it. The error is the text of a 400. Types without a description keep everything.
std::expected<Decoded, std::string> Decode(std::string_view type, int minor, json& object);

// Removes what does not survive storing: empty lists and maps. Presence tests come before this.
void DropEmpty(json& object);

// "2026-11-21T13:00:00Z" of Unix seconds.
std::string FormatTime(int64_t unix_seconds);

}  // namespace drapci::apiserver
