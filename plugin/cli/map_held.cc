#include "plugin/cli/map_held.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "plugin/text.h"

namespace drapci::cli {
namespace {

constexpr int kMaxUnits = 1 << 20;  // more is a mistake, and no drawing

// As the columns of a spreadsheet.
std::string Key(size_t number) {
  std::string key;
  for (size_t n = number + 1; n > 0; n = (n - 1) / 26) {
    key.insert(key.begin(), static_cast<char>('A' + (n - 1) % 26));
  }
  return key;
}

// What the devices say is held and no claim has told.
void AddUntold(const v1::Accelerator& accelerator, std::vector<HeldPart>& held) {
  std::set<std::pair<std::string, std::string>> told;
  std::set<std::string> sharing;
  for (const HeldPart& part : held) {
    told.emplace(part.uid, part.part);
    if (part.share) sharing.insert(part.uid);
  }
  for (const auto& device : accelerator.devices()) {
    const std::string part = PartName(accelerator, device.name());
    const std::string& uid = device.held_by();
    if (!uid.empty() && told.emplace(uid, part).second) {
      const std::map<std::string, int64_t> consumes(device.consumes().begin(),
                                                    device.consumes().end());
      held.push_back(
          {.uid = uid, .part = part, .place = {}, .consumes = {consumes.begin(), consumes.end()}});
    }
    for (const std::string& sharer : device.shared_by()) {
      if (sharing.insert(sharer).second) {
        held.push_back({.uid = sharer, .part = {}, .share = true, .place = {}, .consumes = {}});
      }
    }
  }
}

void FindPlaces(const v1::Accelerator& accelerator, std::vector<HeldPart>& held) {
  const int size = LaneSize(accelerator);
  std::map<std::string, std::optional<Stretch>> places;
  for (const auto& device : accelerator.devices()) {
    if (device.has_extent()) {
      places[PartName(accelerator, device.name())] = PlaceOf(device.extent(), size);
    }
  }
  for (const auto& share : accelerator.share_parts()) {
    if (share.has_extent()) places[share.name()] = PlaceOf(share.extent(), size);
  }
  for (HeldPart& part : held) {
    const auto found = places.find(part.part);
    if (found != places.end()) {
      part.place = found->second;
    } else if (part.part.empty() && !part.share && size > 0) {
      part.place = Stretch{.start = 0, .end = size};
    }
  }
}

}  // namespace

std::string PartName(const v1::Accelerator& accelerator, std::string_view device) {
  if (device.starts_with(accelerator.name())) device.remove_prefix(accelerator.name().size());
  if (device.starts_with('-')) device.remove_prefix(1);
  return std::string(device);
}

std::string MapText(std::string_view text) {
  constexpr size_t kMaxText = 256;
  return plugin::Printable(text, kMaxText);
}

MapHolders::MapHolders(const v1::ListClaimsResponse& claims) {
  for (const auto& claim : claims.claims()) claims_[claim.uid()] = &claim;
}

size_t MapHolders::Of(const std::string& uid) {
  const auto [found, fresh] = drawn_.try_emplace(uid, holders_.size());
  if (fresh) holders_.push_back(Describe(uid));
  return found->second;
}

MapHolder MapHolders::Describe(const std::string& uid) const {
  MapHolder holder{.key = Key(holders_.size()), .name = MapText(uid), .note = {}};
  const auto found = claims_.find(uid);
  if (found == claims_.end()) return holder;
  const v1::Claim& claim = *found->second;
  if (!claim.name().empty()) {
    holder.name = MapText(claim.namespace_().empty()
                              ? claim.name()
                              : fmt::format("{}/{}", claim.namespace_(), claim.name()));
  }
  if (claim.state() != "prepared") holder.note = MapText(claim.state());
  if (!claim.trouble().empty()) {
    holder.note += holder.note.empty() ? "in trouble" : ", in trouble";
  }
  return holder;
}

int LaneSize(const v1::Accelerator& accelerator) {
  return std::clamp(accelerator.scale().size(), 0, kMaxUnits);
}

std::optional<Stretch> PlaceOf(const v1::Extent& extent, int size) {
  const int start = std::clamp(extent.start(), 0, size);
  const int64_t end = int64_t{extent.start()} + extent.size();
  const Stretch place{.start = start, .end = static_cast<int>(std::clamp<int64_t>(end, 0, size))};
  if (place.end <= place.start) return std::nullopt;
  return place;
}

HoldingsOf ByAccelerator(const v1::ListClaimsResponse& claims) {
  HoldingsOf out;
  for (const auto& claim : claims.claims()) {
    for (const auto& holding : claim.holdings()) {
      const std::map<std::string, int64_t> consumes(holding.consumes().begin(),
                                                    holding.consumes().end());
      out[holding.accelerator()].push_back({.uid = claim.uid(),
                                            .part = holding.part(),
                                            .share = !holding.share_id().empty(),
                                            .place = {},
                                            .consumes = {consumes.begin(), consumes.end()}});
    }
  }
  return out;
}

std::vector<HeldPart> HeldOf(const v1::Accelerator& accelerator, const HoldingsOf& holdings,
                             MapHolders& holders) {
  std::vector<HeldPart> held;
  if (const auto found = holdings.find(accelerator.name()); found != holdings.end()) {
    held = found->second;
  }
  AddUntold(accelerator, held);
  FindPlaces(accelerator, held);
  std::ranges::stable_sort(held, {}, [](const HeldPart& part) {
    return part.place ? part.place->start : std::numeric_limits<int>::max();
  });
  for (HeldPart& part : held) part.holder = holders.Of(part.uid);
  return held;
}

}  // namespace drapci::cli
