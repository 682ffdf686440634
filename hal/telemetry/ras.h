// The texts of amdgpu's reliability counters (drivers/gpu/drm/amd/amdgpu/amdgpu_ras.c).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::hal {

struct RasCounts {
  std::optional<uint64_t> uncorrected, corrected, deferred;
  bool operator==(const RasCounts&) const = default;
};
// ras/<block>_err_count: "ue: 0\nce: 3\n", from some kernels "de: 0" as well; lines of other names
// are passed over. Pure; fuzzed.
Result<RasCounts> ParseRasCounts(std::string_view text);

struct BadPages {
  uint64_t retired = 0, pending = 0, unreservable = 0;
  bool operator==(const BadPages&) const = default;
};
// ras/gpu_vram_bad_pages: "0x00000001 : 0x00001000 : R". Pure; fuzzed.
Result<BadPages> ParseBadPages(std::string_view text);

}  // namespace drapci::hal
