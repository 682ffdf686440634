// The lane of a card as boxes, side by side. Part of map_text.h.
#pragma once

#include <cstddef>

#include "plugin/cli/map.h"
#include "plugin/cli/pen.h"

namespace drapci::cli {

// In rows as long as the terminal is wide, `indent` columns from the left:
//   ┌0──────────┬1─────┬2─────┬3────
//   │A team/job │······│······│······
//   └───────────┴──────┴──────┴─────
void DrawGrid(const Map& map, const MapCard& card, size_t indent, Pen& pen);

}  // namespace drapci::cli
