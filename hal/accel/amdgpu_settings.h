// The setting of the family "amdgpu".
//
// "amd.compute_partition", target "0000:0a:00.0", value "CPX": how the card's compute dies are
// spread over partitions. Shared: a mode of the whole card. A change takes seconds, in which the
// write blocks, and is refused while a process uses the card.
#pragma once

#include <string_view>

#include "hal/accel/setting.h"

namespace drapci::hal {

inline constexpr std::string_view kAmdModeSetting = "amd.compute_partition";

// Adds it to `table`. `host` must outlive it.
void AddAmdSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
