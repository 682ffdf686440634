// YAML as output.
#pragma once

#include <string>
#include <string_view>

namespace drapci::cli {

// JSON text as YAML that every reader takes for the same values: a text that could be read as
// something else is quoted. `json` must be valid.
std::string JsonToYaml(std::string_view json);

}  // namespace drapci::cli
