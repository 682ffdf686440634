// A map as a page.
#pragma once

#include <string>

#include "plugin/cli/map.h"

namespace drapci::cli {

// One SVG document that needs no other file: styles inside, no scripts, no links, no fonts.
// Whatever is too long for its place is cut, and whole in the tooltip. Pure.
std::string MapAsSvg(const Map& map);

}  // namespace drapci::cli
