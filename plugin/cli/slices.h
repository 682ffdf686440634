// What `drapci slices` prints.
#pragma once

#include <string>

#include "plugin/cli/output.h"

namespace drapci::cli {

// The ResourceSlices as YAML documents, what is wrong before them as comments; with kJson as a
// List, which has what is wrong as "trouble" and "dropped" of its own. kubectl reads both.
std::string RenderSlices(const v1::GetSlicesResponse& answer, Format format);

}  // namespace drapci::cli
