// The values of "nvidia.gpu_instance", to text and back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hal/accel/nvidia_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kProfile = "profile=", kAt = "at=", kCompute = "compute=";

}  // namespace

std::string FormatGpuInstance(const std::optional<GpuInstanceValue>& value) {
  if (!value) return std::string(kNoGpuInstance);
  return fmt::format("{}{} {}{}:{} {}{}", kProfile, value->profile_id, kAt, value->place.start,
                     value->place.size, kCompute,
                     value->compute.empty() ? std::string(kNoGpuInstance)
                                            : fmt::format("{}", fmt::join(value->compute, ",")));
}

std::optional<std::optional<GpuInstanceValue>> ParseGpuInstance(std::string_view text) {
  std::optional<GpuInstanceValue> value;
  if (text == kNoGpuInstance) return value;
  const std::vector<std::string_view> words = Split(text, ' ');
  if (words.size() != 3 || !words[0].starts_with(kProfile) || !words[1].starts_with(kAt) ||
      !words[2].starts_with(kCompute)) {
    return std::nullopt;
  }
  const std::vector<std::string_view> place = Split(words[1].substr(kAt.size()), ':');
  const auto id = ParseInt<uint32_t>(words[0].substr(kProfile.size()));
  if (!id || place.size() != 2) return std::nullopt;
  const auto start = ParseInt<uint32_t>(place[0]), size = ParseInt<uint32_t>(place[1]);
  if (!start || !size) return std::nullopt;
  value =
      GpuInstanceValue{.profile_id = *id, .place = {.start = *start, .size = *size}, .compute = {}};
  const std::string_view compute = words[2].substr(kCompute.size());
  if (compute == kNoGpuInstance) return value;
  if (compute.empty()) return std::nullopt;
  for (const std::string_view each : Split(compute, ',')) {
    const auto slices = ParseInt<uint32_t>(each);
    if (!slices) return std::nullopt;
    value->compute.push_back(*slices);
  }
  return value;
}

}  // namespace drapci::hal
