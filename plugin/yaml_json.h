// YAML as people write claims, to JSON as the decoders read them.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin {

// The one document in `yaml` as JSON. Plain scalars become null, booleans, integers or numbers as
// YAML 1.2's core schema has it; quoted ones stay text. kInvalid names the line; what is refused
// beside syntax errors, driver/yaml_tree.h says: repeated keys, anchors and aliases, several
// documents, too much of anything. Pure; fuzzed. Never throws.
Result<std::string> YamlToJson(std::string_view yaml);

}  // namespace drapci::plugin
