// The body of a write. For .cc files only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/apiserver/api.h"

namespace drapci::apiserver {

// A decoded object with the warnings that the answer carries.
struct Api::Body {
  json object;
  std::vector<std::string> warnings;
};

}  // namespace drapci::apiserver
