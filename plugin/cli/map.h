// What `drapci map` draws, worked out once for every way of drawing it: the cards, who holds which
// places and portions of them, and what can still be given.
//
// Pure. All texts of a Map are printable ASCII, however hostile the names of claims and cards are:
// one byte is one column, and nothing steers a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/proto/control.pb.h"

namespace drapci::cli {

// A claim that holds something. Drawings are too small for names: each has a short key.
struct MapHolder {
  std::string key;   // "A" to "Z", "AA", ...; the same on all cards
  std::string name;  // "namespace/name"; the UID when the claim is not known by name
  std::string note;  // "unpreparing", "in trouble"; empty when all is well
};

// A stretch of a card, in the units of its scale.
struct MapSegment {
  enum class Use {
    kFree,
    kHeld,
    kNoRoom,    // free, but what is held leaves no room for any part that lies here
    kUnusable,  // cannot be given, whatever is held
  };
  int start = 0, size = 0;
  Use use = Use::kFree;
  size_t holder = 0;  // kHeld: into Map::holders
  std::string part;   // kHeld: "vf3"; empty: the whole card
};

// How much of a counter is taken.
struct MapMeter {
  struct Portion {
    std::optional<size_t> holder;  // empty: somebody unknown
    int64_t amount = 0;
  };
  std::string name;
  int64_t total = 0, used = 0;
  std::vector<Portion> portions;
  bool advisory = false;  // counted, but nothing enforces it
};

struct MapCard {
  std::string name, model;
  std::vector<std::string> facts;  // family, NUMA node, driver
  std::string trouble;             // why nothing of it can be given: gone, foreign, unusable
  std::string condition;           // "Unhealthy (Overheated): ..."; empty: healthy, or not known
  // The lane: `size` units side by side. A card without places is one box, or one for each claim
  // that shares it; its unit is empty.
  std::string unit;
  int size = 1;
  int step = 1;                  // the units of the lane that no part divides: drawn as one
  std::vector<MapSegment> lane;  // in order, without gaps; each ends where a part may end
  std::vector<MapMeter> meters;
  std::vector<std::pair<size_t, std::string>> held;  // holder and what: "vf0-vf3", "bandwidth=200M"
  // What could be given now, each for itself: how many of a profile, 0 when it comes in shares.
  std::vector<std::pair<std::string, int64_t>> offers;
  std::vector<std::pair<std::string, std::string>> obstacles;  // unusable parts, and why
};

struct Map {
  std::vector<MapHolder> holders;
  std::vector<MapCard> cards;
};

// The two answers need not be of the same moment: a claim that only one of them knows is drawn with
// what there is.
Map MakeMap(const v1::ListDevicesResponse& devices, const v1::ListClaimsResponse& claims);

// "80Gi" rather than "85899345920".
std::string MapQuantity(int64_t amount);

// What could be given now, in words, each for itself: "6 x vf", "1 x function", with `times` for
// "x"; "nothing" when there is no room for more. Empty for a card that is held as a whole, or of
// which nothing can be given at all.
std::vector<std::string> MapOffers(const MapCard& card, std::string_view times);

}  // namespace drapci::cli
