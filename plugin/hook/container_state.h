// The state of a container, as an OCI runtime hands it to its hooks on standard input.
#pragma once

#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin {

// The process that holds the container's namespaces, from the state's `pid`
// (https://github.com/opencontainers/runtime-spec, runtime.md "State"). Never throws.
Result<int> ContainerProcess(std::string_view state);

}  // namespace drapci::plugin
