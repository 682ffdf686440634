#include "hal/accel/amdgpu_modes.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kNames[] = {"SPX", "DPX", "TPX", "QPX", "CPX"};
constexpr std::string_view kProfiles[] = {"spx", "dpx", "tpx", "qpx", "cpx"};
constexpr int kMostPartitions =
    64;  // of the driver's table of partition devices (MAX_XCP_PLATFORM_DEVICE)
constexpr int kGfx950 = 90500;

bool Has(const std::vector<AmdMode>& modes, AmdMode mode) {
  return std::ranges::find(modes, mode) != modes.end();
}

}  // namespace

std::string_view AmdModeName(AmdMode mode) { return kNames[static_cast<size_t>(mode)]; }
std::string AmdProfile(AmdMode mode) { return std::string(kProfiles[static_cast<size_t>(mode)]); }

std::optional<AmdMode> ParseAmdMode(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<AmdMode>(found - std::begin(kNames));
}

std::vector<AmdMode> ParseAmdModes(std::string_view text) {
  std::vector<AmdMode> modes;
  for (const std::string_view name : Split(text, ',')) {
    if (const auto mode = ParseAmdMode(Trim(name))) modes.push_back(*mode);
  }
  std::ranges::sort(modes);
  const auto rest = std::ranges::unique(modes);
  modes.erase(rest.begin(), rest.end());
  return modes;
}

int AmdPartitions(AmdMode mode, int xccs) {
  constexpr int kCounts[] = {1, 2, 3, 4, 0};
  const int count = mode == AmdMode::kCpx ? xccs : kCounts[static_cast<size_t>(mode)];
  return count > 0 && count <= kMostPartitions && xccs % count == 0 && xccs >= count ? count : 0;
}

int AmdXccsFrom(const std::vector<AmdMode>& modes) {
  // amdgpu_gfx_get_available_compute_partition of Linux 6.12 is this table, read backwards.
  if (Has(modes, AmdMode::kQpx)) return 8;
  if (Has(modes, AmdMode::kTpx)) return 6;
  if (Has(modes, AmdMode::kDpx)) return 4;
  return Has(modes, AmdMode::kCpx) ? 2 : 1;
}

int ParseAmdMemoryDomains(std::string_view text) {
  if (!text.starts_with("NPS")) return 0;
  const auto count = ParseInt<int>(text.substr(3));
  return count && *count > 0 && *count <= kMostPartitions ? *count : 0;
}

bool AmdModeFits(AmdMode mode, int memory_domains, int gfx_target) {
  if (memory_domains == 0) return true;
  // __aqua_vanjaram_get_px_mode_info: one domain goes with every mode.
  if (memory_domains == 1) return true;
  const bool two_too = gfx_target == kGfx950;
  switch (mode) {
    case AmdMode::kSpx: return false;
    case AmdMode::kDpx: return memory_domains == 2;
    case AmdMode::kTpx: return memory_domains == 4;
    case AmdMode::kQpx:
    case AmdMode::kCpx: return memory_domains == 4 || (memory_domains == 2 && two_too);
  }
  return false;
}

std::string AmdTargetName(int gfx_target) {
  return fmt::format("gfx{}{:x}{:x}", gfx_target / 10000, gfx_target / 100 % 100, gfx_target % 100);
}

std::optional<AmdPlace> AmdPlace::Parse(std::string_view text) {
  constexpr size_t kWord = 3;
  const auto profile = std::ranges::find(kProfiles, text.substr(0, std::min(kWord, text.size())));
  if (profile == std::end(kProfiles)) return std::nullopt;
  const auto index = ParseInt<int>(text.substr(kWord));
  if (!index || *index < 0 || *index >= kMostPartitions) return std::nullopt;
  const AmdPlace place{.mode = static_cast<AmdMode>(profile - std::begin(kProfiles)),
                       .index = *index};
  if (place.ToString() != text) return std::nullopt;
  return place;
}

std::string AmdPlace::ToString() const { return fmt::format("{}{}", AmdProfile(mode), index); }

}  // namespace drapci::hal
