#include "hal/accel/xe_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>

#include "hal/accel/dmem.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20, kGiB = int64_t{1} << 30;
constexpr int64_t kSpare = 128 * kMiB;  // pf_get_min_spare_lmem
constexpr int64_t kPage = 2 * kMiB;     // pf_get_lmem_alignment
constexpr int64_t kSmallBar = 256 * kMiB;
constexpr int64_t kMost = int64_t{1} << 50;  // more is no memory of a card
constexpr size_t kMemoryBar = 2;

int64_t AlignDown(int64_t value, int64_t unit) { return value / unit * unit; }

// A region for each tile.
int64_t FromDmem(const Sysfs& sysfs, const PciAddress& pf) {
  int64_t sum = 0;
  for (const auto& [region, size] : DmemRegions(sysfs, pf)) sum += size;
  return std::min(sum, kMost);
}

// The third line of `resource`: "0x0000383000000000 0x00003837ffffffff 0x000000000014220c".
int64_t FromBar(const Sysfs& sysfs, const PciAddress& pf) {
  const auto text = sysfs.Read(pf.SysfsPath() + "/resource");
  if (!text) return 0;
  const auto lines = Split(*text, '\n');
  if (lines.size() <= kMemoryBar) return 0;
  const auto fields = Split(Trim(lines[kMemoryBar]), ' ');
  if (fields.size() != 3) return 0;
  const auto start = ParseHex<uint64_t>(fields[0]), end = ParseHex<uint64_t>(fields[1]);
  if (!start || !end || *end <= *start || *end - *start >= static_cast<uint64_t>(kMost)) return 0;
  return static_cast<int64_t>(*end - *start + 1);
}

}  // namespace

std::optional<XeMemory> ReadXeMemory(const Sysfs& sysfs, const PciAddress& pf) {
  if (const int64_t size = FromDmem(sysfs, pf); size > 0) {
    return XeMemory{.size = size, .from = "dmem"};
  }
  const int64_t bar = FromBar(sysfs, pf);
  // The smallest BAR is that of a BIOS which does not resize it, and the aperture of a GPU without
  // memory.
  if (bar <= kSmallBar) return std::nullopt;
  return XeMemory{.size = bar / 4 * 3, .from = "bar"};
}

int64_t XeShareable(int64_t memory) {
  return AlignDown(std::max(memory - kSpare, int64_t{0}), kGiB);
}

int64_t XeFairQuota(int64_t memory, int vfs) {
  const int64_t fair = XeShareable(memory) / (1 + std::max(vfs, 1));
  return AlignDown(static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(fair))), kPage);
}

int64_t XeQuotaStep(const Sysfs& sysfs, const PciAddress& pf) {
  int64_t tiles = 0;
  while (tiles < 16 && sysfs.Exists(fmt::format("{}/tile{}", pf.SysfsPath(), tiles))) ++tiles;
  return kPage * std::max(tiles, int64_t{1});
}

}  // namespace drapci::hal
