// A map for a terminal, or for a pipe.
#pragma once

#include <string>

#include "plugin/cli/map.h"
#include "plugin/cli/terminal.h"

namespace drapci::cli {

// No line is longer than terminal.width. Lanes of many units go on in further rows. Pure.
std::string MapAsText(const Map& map, const Terminal& terminal);

}  // namespace drapci::cli
