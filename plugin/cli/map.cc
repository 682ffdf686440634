#include "plugin/cli/map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string_view>

#include "hal/base/parse.h"
#include "plugin/cli/describe.h"
#include "plugin/cli/health.h"
#include "plugin/cli/map_held.h"
#include "plugin/cli/map_lane.h"
#include "plugin/quantity.h"

namespace drapci::cli {
namespace {

// "vf0-vf3, vf7": runs of numbers are told by their ends.
std::string Ranges(const std::vector<std::string>& names) {
  struct Run {
    std::string first, last, stem;
    std::optional<uint32_t> next;  // the number that would prolong it
  };
  std::vector<Run> runs;
  for (const std::string& name : names) {
    const size_t digits = name.find_last_not_of("0123456789") + 1;
    const std::string stem = name.substr(0, digits);
    const auto number = ParseInt<uint32_t>(std::string_view(name).substr(digits));
    Run* last = runs.empty() ? nullptr : &runs.back();
    if (last != nullptr && number && last->next == number && last->stem == stem) {
      last->last = name;
    } else {
      runs.push_back({.first = name, .last = name, .stem = stem, .next = {}});
    }
    runs.back().next = number ? std::optional(*number + 1) : std::nullopt;
  }
  std::string out;
  for (const Run& run : runs) {
    if (!out.empty()) out += ", ";
    out += run.first == run.last ? run.first : fmt::format("{}-{}", run.first, run.last);
  }
  return MapText(out);
}

std::string PartText(const std::string& part) { return part.empty() ? "whole card" : part; }

// "vf3 bandwidth=200M": a share, by what it takes that the lane does not show.
std::string ShareText(const HeldPart& share, std::string_view unit) {
  std::string out = share.part;
  for (const auto& [counter, amount] : share.consumes) {
    if (counter == unit) continue;
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", counter, MapQuantity(amount));
  }
  return out.empty() ? "a share" : MapText(out);
}

void AddHeld(const std::vector<HeldPart>& held, MapCard& card) {
  std::map<size_t, std::vector<std::string>> parts, shares;
  std::vector<size_t> order;
  for (const HeldPart& part : held) {
    if (!parts.contains(part.holder) && !shares.contains(part.holder)) {
      order.push_back(part.holder);
    }
    if (part.share) {
      shares[part.holder].push_back(ShareText(part, card.unit));
    } else {
      parts[part.holder].push_back(PartText(part.part));
    }
  }
  for (const size_t holder : order) {
    std::vector<std::string> what = std::move(shares[holder]);
    if (!parts[holder].empty()) what.insert(what.begin(), Ranges(parts[holder]));
    card.held.emplace_back(holder, fmt::format("{}", fmt::join(what, ", ")));
  }
}

// "room_beside_cpx3": keeps parts apart that cannot be had together, and is no stock of the card.
bool IsOfOnePart(std::string_view counter, const v1::Accelerator& accelerator) {
  for (const auto& device : accelerator.devices()) {
    const std::string_view part =
        std::string_view(device.name())
            .substr(std::min(device.name().size(), accelerator.name().size()));
    if (part.size() > 1 && counter.ends_with(fmt::format("_{}", part.substr(1)))) return true;
  }
  return false;
}

void AddMeters(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held,
               MapCard& card) {
  std::set<std::string_view> advisory;
  for (const auto& device : accelerator.devices()) {
    advisory.insert(device.advisory().begin(), device.advisory().end());
  }
  for (const auto& counter : accelerator.counters()) {
    // One of a kind is no portion, and the lane is a meter of its own unit.
    if (counter.total() <= 1 || counter.name() == accelerator.scale().unit()) continue;
    if (IsOfOnePart(counter.name(), accelerator)) continue;
    MapMeter meter{.name = MapText(counter.name()),
                   .total = counter.total(),
                   .used = std::clamp<int64_t>(counter.used(), 0, counter.total()),
                   .portions = {},
                   .advisory = advisory.contains(counter.name())};
    int64_t left = meter.used;  // portions beyond what the driver counts would be a lie
    for (const HeldPart& part : held) {
      for (const auto& [name, amount] : part.consumes) {
        if (name != counter.name() || amount <= 0 || left == 0) continue;
        meter.portions.push_back({.holder = part.holder, .amount = std::min(amount, left)});
        left -= meter.portions.back().amount;
      }
    }
    if (left > 0) meter.portions.push_back({.holder = {}, .amount = left});
    card.meters.push_back(std::move(meter));
  }
}

// How many of `devices` can be given side by side: those that end first, as long as the stock
// lasts.
int64_t Most(std::vector<const v1::Device*> devices, const v1::Accelerator& accelerator) {
  std::map<std::string, int64_t> left;
  for (const auto& counter : accelerator.counters()) {
    left[counter.name()] = counter.total() - counter.used();
  }
  const auto end = [](const v1::Device* device) {
    return int64_t{device->extent().start()} + device->extent().size();
  };
  std::ranges::stable_sort(devices, {}, end);
  int64_t count = 0, taken_to = 0;
  for (const v1::Device* device : devices) {
    if (device->has_extent() && device->extent().start() < taken_to) continue;
    const bool fits = std::ranges::all_of(
        device->consumes(), [&](const auto& need) { return left[need.first] >= need.second; });
    if (!fits) continue;
    for (const auto& [name, amount] : device->consumes()) left[name] -= amount;
    if (device->has_extent()) taken_to = end(device);
    ++count;
  }
  return count;
}

void AddOffers(const v1::Accelerator& accelerator, const std::vector<HeldPart>& held,
               MapCard& card) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const v1::Device*>> free;
  std::set<std::string> full;
  for (const auto& counter : accelerator.counters()) {
    if (counter.used() >= counter.total()) full.insert(counter.name());
  }
  for (const auto& device : accelerator.devices()) {
    if (UseOf(accelerator, device, held) != MapSegment::Use::kFree) continue;
    if (!device.capacities().empty()) {
      const bool room = std::ranges::none_of(
          device.capacities(), [&](const auto& capacity) { return full.contains(capacity.first); });
      if (room) card.offers.emplace_back(MapText(device.profile()), 0);
      continue;
    }
    if (!free.contains(device.profile())) order.push_back(device.profile());
    free[device.profile()].push_back(&device);
  }
  for (const std::string& profile : order) {
    if (const int64_t count = Most(std::move(free[profile]), accelerator); count > 0) {
      card.offers.emplace_back(MapText(profile), count);
    }
  }
}

void AddObstacles(const v1::Accelerator& accelerator, MapCard& card) {
  if (!card.trouble.empty()) return;
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> parts;
  for (const auto& device : accelerator.devices()) {
    if (!device.held_by().empty() || device.unusable().empty()) continue;
    const std::string why = MapText(device.unusable());
    if (!parts.contains(why)) order.push_back(why);
    parts[why].push_back(PartText(PartName(accelerator, device.name())));
  }
  for (const std::string& why : order) card.obstacles.emplace_back(Ranges(parts[why]), why);
}

MapCard MakeCard(const v1::Accelerator& accelerator, const HoldingsOf& holdings,
                 MapHolders& holders) {
  MapCard card;
  card.name = MapText(accelerator.name());
  card.model = MapText(Model(accelerator));
  card.facts.push_back(MapText(accelerator.family()));
  if (accelerator.numa_node() >= 0) {
    card.facts.push_back(fmt::format("NUMA node {}", accelerator.numa_node()));
  }
  card.facts.push_back(
      MapText(accelerator.driver().empty() ? "no driver" : "driver " + accelerator.driver()));
  if (const int size = LaneSize(accelerator); size > 0) {
    card.unit = MapText(accelerator.scale().unit());
    card.facts.push_back(fmt::format("{} {}", size, card.unit));
  }
  const std::string& unusable = accelerator.unusable();
  if (accelerator.gone()) {
    card.trouble = "gone: " + MapText(unusable.empty() ? "the card has been removed" : unusable);
  } else if (!accelerator.foreign().empty()) {
    card.trouble = "foreign: " + MapText(accelerator.foreign());
  } else if (!unusable.empty()) {
    card.trouble = "unusable: " + MapText(unusable);
  }
  if (accelerator.health().state() == "Unhealthy") {
    card.condition = MapText(HealthText(accelerator.health()));
  }
  const std::vector<HeldPart> held = HeldOf(accelerator, holdings, holders);
  DrawLane(accelerator, held, card);
  AddHeld(held, card);
  AddMeters(accelerator, held, card);
  AddOffers(accelerator, held, card);
  AddObstacles(accelerator, card);
  return card;
}

}  // namespace

Map MakeMap(const v1::ListDevicesResponse& devices, const v1::ListClaimsResponse& claims) {
  const HoldingsOf holdings = ByAccelerator(claims);
  MapHolders holders(claims);
  Map map;
  for (const auto& accelerator : devices.accelerators()) {
    map.cards.push_back(MakeCard(accelerator, holdings, holders));
  }
  map.holders = holders.Take();
  return map;
}

std::string MapQuantity(int64_t amount) {
  const std::string decimal = plugin::FormatQuantity(amount);
  const std::string binary = plugin::FormatQuantity(amount, /*binary=*/true);
  return binary.size() < decimal.size() ? binary : decimal;
}

std::vector<std::string> MapOffers(const MapCard& card, std::string_view times) {
  std::vector<std::string> out;
  const bool given = card.lane.size() == 1 && card.lane.front().use == MapSegment::Use::kHeld;
  if (!card.trouble.empty() || (given && card.offers.empty())) return out;
  for (const auto& [profile, count] : card.offers) {
    if (count > 0) {
      out.push_back(fmt::format("{} {} {}", count, times, profile));
    } else {
      std::string shares = profile == "share" ? "shares" : "shares of " + profile;
      if (std::ranges::find(out, shares) == out.end()) out.push_back(std::move(shares));
    }
  }
  if (out.empty()) out.emplace_back("nothing");
  return out;
}

}  // namespace drapci::cli
