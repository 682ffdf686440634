// The compute partition modes of AMD's data center GPUs, and what a card becomes in each of them
// (drivers/gpu/drm/amd/amdgpu/aqua_vanjaram.c). Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drapci::hal {

// How a card's compute dies (XCCs) are spread over partitions; by the number of these.
enum class AmdMode { kSpx, kDpx, kTpx, kQpx, kCpx };

// "SPX", as sysfs spells it.
std::string_view AmdModeName(AmdMode mode);
std::optional<AmdMode> ParseAmdMode(std::string_view name);

// From available_compute_partition ("SPX, DPX, QPX, CPX"), without what this version does not know;
// sorted, each once. Empty for "Not supported".
std::vector<AmdMode> ParseAmdModes(std::string_view text);

// How many partitions a card with so many XCCs has in this mode; 0 when it cannot be in it.
int AmdPartitions(AmdMode mode, int xccs);

// How many XCCs a card has that can be in these modes, where nothing else tells.
int AmdXccsFrom(const std::vector<AmdMode>& modes);

// From current_memory_partition ("NPS4"): into how many domains the memory is divided; 0 when it is
// not known.
int ParseAmdMemoryDomains(std::string_view text);

// Whether the driver takes the card to this mode while its memory is divided so. `gfx_target` as
// KFD tells it (90402 is gfx942). What is not known (0) forbids nothing.
bool AmdModeFits(AmdMode mode, int memory_domains, int gfx_target);

// "gfx942" for 90402, "gfx90a" for 90010: two hexadecimal digits after the major version.
std::string AmdTargetName(int gfx_target);

// One partition of a mode by its place: "cpx3". Only the spelling of ToString() is accepted.
struct AmdPlace {
  AmdMode mode = AmdMode::kSpx;
  int index = 0;
  static std::optional<AmdPlace> Parse(std::string_view text);
  std::string ToString() const;
};
// "cpx"
std::string AmdProfile(AmdMode mode);

}  // namespace drapci::hal
