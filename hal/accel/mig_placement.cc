#include "hal/accel/mig_placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace drapci::hal {
namespace {

// Twice what any GPU has; a driver that tells more is not believed.
constexpr uint32_t kMostSlices = 16;
constexpr size_t kMostLabel = 24;

// Engines that a partition gets for itself, and what is counted of them.
struct Engine {
  const char* counter;
  uint32_t GpuInstanceProfile::* count;
};
constexpr Engine kEngines[] = {{"copy_engines", &GpuInstanceProfile::copy_engines},
                               {"decoders", &GpuInstanceProfile::decoders},
                               {"encoders", &GpuInstanceProfile::encoders},
                               {"jpeg_engines", &GpuInstanceProfile::jpeg_engines},
                               {"ofa_engines", &GpuInstanceProfile::ofa_engines}};

// "1g.10gb+me" as part of a DNS label: "1g-10gb-me"; "1g.24gb-me", which is without it, is
// "1g-24gb-no-me".
std::string LabelOf(std::string_view name) {
  std::string label;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) label += c;
    if (c >= 'A' && c <= 'Z') label += static_cast<char>(c - 'A' + 'a');
    if (c == '.' || c == '+' || c == ' ') label += '-';
    if (c == '-') label += "-no-";
    if (label.size() >= kMostLabel) break;
  }
  while (label.starts_with('-')) label.erase(0, 1);
  while (label.ends_with('-')) label.pop_back();
  return label;
}

bool CanExist(const MigPlacement& place) {
  return place.size > 0 && place.size <= kMostSlices && place.start <= kMostSlices - place.size;
}

// The profiles that can be made, the least first.
std::vector<GpuInstanceProfile> Offered(std::vector<GpuInstanceProfile> profiles) {
  for (GpuInstanceProfile& profile : profiles) {
    std::erase_if(profile.placements, [](const MigPlacement& place) { return !CanExist(place); });
  }
  std::erase_if(profiles, [](const GpuInstanceProfile& profile) {
    return profile.placements.empty() || profile.max_instances == 0 ||
           profile.compute_slices == 0 || profile.compute_slices > kMostSlices;
  });
  const auto weight = [](const GpuInstanceProfile& profile) {
    uint32_t engines = 0;
    for (const Engine& engine : kEngines) engines += profile.*engine.count;
    return std::tuple(profile.placements.front().size, profile.compute_slices, engines, profile.id);
  };
  std::ranges::sort(profiles, {}, weight);
  return profiles;
}

// How many of a profile lie beside each other: from the left, since all are of one size.
uint32_t BesideEachOther(const GpuInstanceProfile& profile) {
  uint32_t count = 0, behind = 0;
  std::vector<MigPlacement> places = profile.placements;
  std::ranges::sort(places);
  for (const MigPlacement& place : places) {
    if (place.start < behind) continue;
    ++count;
    behind = place.start + place.size;
  }
  return count;
}

// How many placements of all profiles one at `place` stands in the way of.
int64_t Blocks(const std::vector<GpuInstanceProfile>& profiles, const MigPlacement& place) {
  int64_t blocked = 0;
  for (const GpuInstanceProfile& profile : profiles) {
    blocked += std::ranges::count_if(
        profile.placements, [&](const MigPlacement& other) { return Overlap(place, other); });
  }
  return blocked;
}

void AddStock(const std::vector<GpuInstanceProfile>& profiles, MigLayout& layout) {
  int64_t& slices = layout.stock[std::string(kComputeSlices)];
  for (const GpuInstanceProfile& profile : profiles) {
    const int64_t most = std::min(profile.max_instances, BesideEachOther(profile));
    slices = std::max(slices, most * profile.compute_slices);
    for (const Engine& engine : kEngines) {
      if (profile.*engine.count == 0) continue;
      int64_t& stock = layout.stock[engine.counter];
      stock = std::max(stock, most * profile.*engine.count);
    }
    for (const MigPlacement& place : profile.placements) {
      layout.memory_slices = std::max(layout.memory_slices, place.start + place.size);
    }
  }
  for (uint32_t slice = 0; slice < layout.memory_slices; ++slice) {
    layout.stock.emplace(MemorySliceCounter(slice), 1);
  }
}

}  // namespace

std::string MemorySliceCounter(uint32_t slice) { return fmt::format("memory-slice-{}", slice); }

bool Overlap(const MigPlacement& a, const MigPlacement& b) {
  return a.start < b.start + b.size && b.start < a.start + a.size;
}

MigLayout LayOutMig(const std::vector<GpuInstanceProfile>& told) {
  const std::vector<GpuInstanceProfile> profiles = Offered(told);
  MigLayout layout;
  AddStock(profiles, layout);
  std::set<std::string> labels;
  for (const GpuInstanceProfile& profile : profiles) {
    std::string label = LabelOf(profile.name);
    if (label.empty() || labels.contains(label)) {
      label += fmt::format("{}p{}", label.empty() ? "" : "-", profile.id);
    }
    labels.insert(label);
    std::map<std::string, int64_t> consumes{
        {std::string(kComputeSlices), int64_t{profile.compute_slices}}};
    for (const Engine& engine : kEngines) {
      if (profile.*engine.count != 0) consumes.emplace(engine.counter, profile.*engine.count);
    }
    // Where there is place for more than there may be (the media extension is there once).
    if (profile.max_instances < BesideEachOther(profile)) {
      layout.stock.emplace(label, int64_t{profile.max_instances});
      consumes.emplace(label, 1);
    }
    std::vector<MigPlacement> places = profile.placements;
    std::ranges::sort(places, {}, [&](const MigPlacement& place) {
      return std::pair(Blocks(profiles, place), -int64_t{place.start});
    });
    for (const MigPlacement& place : places) {
      MigSlot slot{.part = fmt::format("{}-{}", label, place.start),
                   .profile_id = profile.id,
                   .label = label,
                   .profile = profile.name,
                   .place = place,
                   .compute_slices = profile.compute_slices,
                   .multiprocessors = profile.multiprocessors,
                   .memory_bytes = profile.memory_mib << 20,
                   .consumes = consumes};
      for (uint32_t slice = place.start; slice < place.start + place.size; ++slice) {
        slot.consumes.emplace(MemorySliceCounter(slice), 1);
      }
      layout.slots.push_back(std::move(slot));
    }
  }
  return layout;
}

const MigSlot* FindSlot(const MigLayout& layout, std::string_view part) {
  const auto found = std::ranges::find(layout.slots, part, &MigSlot::part);
  return found == layout.slots.end() ? nullptr : &*found;
}

const MigSlot* FindSlot(const MigLayout& layout, uint32_t profile_id, const MigPlacement& place) {
  const auto found = std::ranges::find_if(layout.slots, [&](const MigSlot& slot) {
    return slot.profile_id == profile_id && slot.place == place;
  });
  return found == layout.slots.end() ? nullptr : &*found;
}

}  // namespace drapci::hal
