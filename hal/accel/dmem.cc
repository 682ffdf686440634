#include "hal/accel/dmem.h"

#include <fmt/format.h>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr int64_t kMost = int64_t{1} << 50;  // more is no memory of a card
constexpr size_t kMostRegions = 16;

}  // namespace

std::map<std::string, int64_t> DmemRegions(const Sysfs& sysfs, const PciAddress& card) {
  std::map<std::string, int64_t> regions;
  const auto text = sysfs.Read("/sys/fs/cgroup/dmem.capacity");
  if (!text) return regions;
  const std::string prefix = fmt::format("drm/{}/vram", card.ToString());
  for (const std::string_view line : Split(*text, '\n')) {
    const size_t blank = line.find(' ');
    if (!line.starts_with(prefix) || blank == std::string_view::npos) continue;
    const auto size = ParseInt<int64_t>(Trim(line.substr(blank)));
    if (!size || *size <= 0 || *size >= kMost || regions.size() >= kMostRegions) continue;
    regions.emplace(line.substr(0, blank), *size);
  }
  return regions;
}

Result<> LimitMemory(const Sysfs& sysfs, const PciAddress& card, int64_t bytes,
                     ContainerEdits& edits) {
  const auto regions = DmemRegions(sysfs, card);
  if (regions.empty()) {
    return Fail(Code::kUnsupported,
                fmt::format("the kernel cannot hold anybody to a share of the memory of {}: "
                            "/sys/fs/cgroup/dmem.capacity does not list it",
                            card.ToString()));
  }
  for (const auto& [region, size] : regions) {
    edits.memory_limits.push_back(
        {.region = region, .bytes = bytes / static_cast<int64_t>(regions.size())});
  }
  return {};
}

}  // namespace drapci::hal
