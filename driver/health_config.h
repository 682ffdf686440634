// `health:` of the configuration.
#pragma once

#include <vector>

#include "driver/config.h"
#include "driver/health/rule.h"
#include "driver/yaml_tree.h"

namespace drapci::driver {

// Reads `node`, whose key is in `line`, into `health`, which holds the default rules. Errors go to
// the list. Pure. Never throws.
void ReadHealthConfig(const YamlNode& node, int line, HealthConfig& health,
                      std::vector<ConfigError>& errors);

}  // namespace drapci::driver
