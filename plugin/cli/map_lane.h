// The places of one card: who holds them, and what of the rest can be given. Part of map.h.
#pragma once

#include <vector>

#include "plugin/cli/map.h"
#include "plugin/cli/map_held.h"

namespace drapci::cli {

// What is drawn where a device lies that nobody holds. No device is free where another one that is
// `held` lies.
MapSegment::Use UseOf(const v1::Accelerator& accelerator, const v1::Device& device,
                      const std::vector<HeldPart>& held);

// Sets lane, size and step of `card`.
void DrawLane(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held, MapCard& card);

}  // namespace drapci::cli
