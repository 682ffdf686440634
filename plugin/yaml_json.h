// YAML as people write claims, to JSON as the decoders read them.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin {

// The one document in `yaml` as JSON. Unquoted scalars become null, booleans, integers or numbers
// as YAML 1.2's core schema has it, so that `name: "1"` stays a text. kInvalid names the line of a
// syntax error, and refuses keys that repeat or are no text, several documents, nesting beyond 32,
// and aliases that would unfold to more than 64 Ki values. Pure; fuzzed. Never throws.
Result<std::string> YamlToJson(std::string_view yaml);

}  // namespace drapci::plugin
