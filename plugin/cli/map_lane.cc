#include "plugin/cli/map_lane.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "plugin/cli/describe.h"

namespace drapci::cli {
namespace {

using Use = MapSegment::Use;

// What lies where and could be given or not. A part that has a place says more about it than the
// card as a whole does.
struct Ground {
  struct Placed {
    Stretch place;
    Use use = Use::kFree;
  };
  std::vector<Placed> parts;
  std::optional<Use> whole;

  // The best that can be said of `unit`: one usable part there makes it usable.
  Use At(int unit) const {
    std::optional<Use> best;
    for (const Placed& part : parts) {
      if (part.place.Covers(unit)) best = std::min(best.value_or(part.use), part.use);
    }
    return best.value_or(whole.value_or(Use::kNoRoom));
  }
};

Ground GroundOf(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held, int size) {
  Ground ground;
  for (const auto& device : accelerator.devices()) {
    const Use use = UseOf(accelerator, device, held);
    if (!device.has_extent()) {
      ground.whole = std::min(ground.whole.value_or(use), use);
    } else if (const auto place = PlaceOf(device.extent(), size)) {
      ground.parts.push_back({.place = *place, .use = use});
    }
  }
  if (accelerator.devices().empty() || accelerator.gone()) ground.whole = Use::kUnusable;
  return ground;
}

// Where one thing may end and another begin.
std::set<int> Edges(const v1::Accelerator& accelerator, const Ground& ground,
                    const std::vector<HeldPart>& held, int size) {
  std::set<int> edges = {0, size};
  const auto add = [&](const Stretch& place) { edges.insert({place.start, place.end}); };
  for (const auto& part : ground.parts) add(part.place);
  for (const HeldPart& part : held) {
    if (part.place) add(*part.place);
  }
  for (const auto& share : accelerator.share_parts()) {
    if (const auto place = PlaceOf(share.extent(), size)) add(*place);
  }
  return edges;
}

MapSegment SegmentAt(const Ground& ground, const std::vector<HeldPart>& held, int start, int end) {
  MapSegment segment{.start = start, .size = end - start};
  const auto holding = std::ranges::find_if(
      held, [&](const HeldPart& part) { return part.place && part.place->Covers(start); });
  if (holding == held.end()) {
    segment.use = ground.At(start);
    return segment;
  }
  segment.use = Use::kHeld;
  segment.holder = holding->holder;
  segment.part = holding->part;
  return segment;
}

// Without places: a box for each claim that shares the card, and one for what is left.
void DrawBox(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held, MapCard& card) {
  for (const HeldPart& part : held) {
    const bool seen = std::ranges::any_of(
        card.lane, [&](const MapSegment& segment) { return segment.holder == part.holder; });
    if (seen) continue;
    card.lane.push_back({.start = static_cast<int>(card.lane.size()),
                         .size = 1,
                         .use = Use::kHeld,
                         .holder = part.holder,
                         .part = part.part});
  }
  Use rest = Use::kUnusable;
  for (const auto& device : accelerator.devices()) {
    rest = std::min(rest, UseOf(accelerator, device, held));
  }
  if (card.lane.empty() || rest == Use::kFree) {
    card.lane.push_back({.start = static_cast<int>(card.lane.size()), .size = 1, .use = rest});
  }
  card.size = static_cast<int>(card.lane.size());
}

}  // namespace

Use UseOf(const v1::Accelerator& accelerator, const v1::Device& device,
          const std::vector<HeldPart>& held) {
  const std::string state = Summarize(accelerator, &device).state;
  if (state == "held" || state == "excluded") return Use::kNoRoom;
  if (state != "free" && state != "shared") return Use::kUnusable;
  const auto place = PlaceOf(device.extent(), LaneSize(accelerator));
  const bool taken =
      place && std::ranges::any_of(held, [&](const HeldPart& part) {
        return part.place && part.place->start < place->end && place->start < part.place->end;
      });
  return taken ? Use::kNoRoom : Use::kFree;
}

void DrawLane(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held,
              MapCard& card) {
  card.size = LaneSize(accelerator);
  if (card.size == 0) return DrawBox(accelerator, held, card);
  const Ground ground = GroundOf(accelerator, held, card.size);
  const std::set<int> edges = Edges(accelerator, ground, held, card.size);
  for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
    MapSegment next = SegmentAt(ground, held, *edge, *std::next(edge));
    MapSegment* last = card.lane.empty() ? nullptr : &card.lane.back();
    if (last != nullptr && next.use == Use::kHeld && last->use == Use::kHeld &&
        last->holder == next.holder && last->part == next.part) {
      last->size += next.size;  // another part that nobody holds might end within
    } else {
      card.lane.push_back(std::move(next));
    }
  }
  card.step = card.size;
  for (const MapSegment& segment : card.lane) card.step = std::gcd(card.step, segment.start);
}

}  // namespace drapci::cli
