// Who holds what of a card, and where that lies. Part of map.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/cli/map.h"
#include "plugin/proto/control.pb.h"

namespace drapci::cli {

// Units `start` to `end` of a card, without `end`.
struct Stretch {
  int start = 0, end = 0;
  bool Covers(int unit) const { return start <= unit && unit < end; }
};

// What one claim takes of the card.
struct HeldPart {
  std::string uid;
  size_t holder = 0;
  std::string part;  // within the accelerator; empty: all of it, or a share without a part
  bool share = false;
  std::optional<Stretch> place;  // empty: it has none
  std::vector<std::pair<std::string, int64_t>> consumes;
};

// The scale's size, within reason; 0: the card has no places.
int LaneSize(const v1::Accelerator& accelerator);

// Where on the card it lies, cut to what there is of the card; empty: nowhere.
std::optional<Stretch> PlaceOf(const v1::Extent& extent, int size);

// "vf3" of "pci-0000-02-00-0-vf3"; empty for the accelerator itself.
std::string PartName(const v1::Accelerator& accelerator, std::string_view device);

// `text` as a Map has it: printable ASCII of reasonable length.
std::string MapText(std::string_view text);

// The claims by UID, and a key for each that is drawn.
class MapHolders {
 public:
  explicit MapHolders(const v1::ListClaimsResponse& claims);  // has to live longer

  size_t Of(const std::string& uid);  // makes a key at first sight
  std::vector<MapHolder> Take() { return std::move(holders_); }

 private:
  MapHolder Describe(const std::string& uid) const;

  std::map<std::string_view, const v1::Claim*> claims_;
  std::map<std::string, size_t> drawn_;
  std::vector<MapHolder> holders_;
};

// By accelerator: what each claim takes of it.
using HoldingsOf = std::map<std::string_view, std::vector<HeldPart>>;

HoldingsOf ByAccelerator(const v1::ListClaimsResponse& claims);

// What is held of `accelerator`: what the claims tell, and what its devices say beside that. In the
// order of places; what has none comes last.
std::vector<HeldPart> HeldOf(const v1::Accelerator& accelerator, const HoldingsOf& holdings,
                             MapHolders& holders);

}  // namespace drapci::cli
