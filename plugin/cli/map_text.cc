#include "plugin/cli/map_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/cli/map_grid.h"
#include "plugin/cli/pen.h"
#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

using Use = MapSegment::Use;
using Kind = Ink::Kind;

constexpr size_t kIndent = 2;

struct Piece {
  std::string text;
  Ink ink = {};
};

// Entries one behind the other, `gap` between them, on as many lines as it takes. The pieces of an
// entry stay together unless they are longer than a line.
void Flow(const std::vector<std::vector<Piece>>& entries, std::string_view gap, Pen& pen) {
  pen.Fill(" ", kIndent);
  bool first = true;
  for (const auto& entry : entries) {
    size_t width = 0;
    for (const Piece& piece : entry) width += DisplayWidth(piece.text);
    if (!first && DisplayWidth(gap) + width > pen.left()) {
      pen.EndLine();
      pen.Fill(" ", kIndent);
      first = true;
    }
    if (!first) pen.Write(gap, {Kind::kDim});
    first = false;
    for (const Piece& piece : entry) {
      std::string_view text = piece.text;
      if (&piece != &entry.front() && DisplayWidth(text) > pen.left()) {
        pen.EndLine();
        pen.Fill(" ", 2 * kIndent);
        if (text.starts_with(' ')) text.remove_prefix(1);
      }
      pen.Write(text, piece.ink);
    }
  }
  pen.EndLine();
}

void Title(const MapCard& card, Pen& pen) {
  pen.Write(card.name, {Kind::kBold});
  pen.Write("  " + card.model);
  pen.EndLine();
  std::vector<std::vector<Piece>> facts;
  for (const std::string& fact : card.facts) facts.push_back({{.text = fact}});
  Flow(facts, pen.glyphs().separator, pen);
  for (const std::string& text : {card.trouble, card.condition}) {
    if (text.empty()) continue;
    pen.Fill(" ", kIndent);
    pen.Write(text, {Kind::kBad});
    pen.EndLine();
  }
}

// A portion of a bar.
struct Portion {
  Use use = Use::kFree;
  int64_t amount = 0;
  std::string label;
  size_t key_size = 0, holder = 0;
};

// `width` columns between the ends. What is there is seen, however little it is.
void Bar(const std::vector<Portion>& portions, size_t width, Pen& pen) {
  double total = 0, sum = 0;
  for (const Portion& portion : portions) total += static_cast<double>(portion.amount);
  pen.Write(pen.glyphs().left_end);
  size_t column = 0, turn = 0;
  for (const Portion& portion : portions) {
    sum += static_cast<double>(portion.amount);
    const auto exact = static_cast<size_t>(sum / total * static_cast<double>(width) + 0.5);
    const size_t end = std::min(width, std::max(exact, column + 1));
    if (end <= column) continue;
    pen.Block(portion.use, portion.label, portion.key_size, end - column, portion.holder, turn++);
    column = end;
  }
  pen.Fill(" ", width - column);
  pen.Write(pen.glyphs().right_end);
}

Portion PortionOf(const Map& map, const MapSegment& segment) {
  Portion portion{.use = segment.use, .amount = segment.size, .label = {}};
  if (segment.use != Use::kHeld) return portion;
  const MapHolder& holder = map.holders.at(segment.holder);
  portion.label = holder.key + " " + holder.name;
  portion.key_size = holder.key.size();
  portion.holder = segment.holder;
  return portion;
}

void Lane(const Map& map, const MapCard& card, Pen& pen) {
  // More units than anybody would count are drawn in proportion, as the boxes of cards without
  // places are.
  constexpr int kMostCells = 1024;
  if (!card.unit.empty() && card.size / card.step <= kMostCells) {
    return DrawGrid(map, card, kIndent, pen);
  }
  std::vector<Portion> portions;
  for (const MapSegment& segment : card.lane) portions.push_back(PortionOf(map, segment));
  pen.Fill(" ", kIndent);
  Bar(portions, pen.left() - 2, pen);
  pen.EndLine();
}

void Holders(const Map& map, const MapCard& card, Pen& pen) {
  if (card.held.empty()) return;
  std::vector<std::vector<Piece>> entries;
  for (const auto& [index, what] : card.held) {
    const MapHolder& holder = map.holders.at(index);
    std::vector<Piece> entry = {{.text = holder.key, .ink = {Kind::kHolder, index}},
                                {.text = fmt::format(" {}:", holder.name)}};
    entry.push_back({.text = " " + what});
    if (!holder.note.empty()) {
      entry.push_back({.text = fmt::format(" ({})", holder.note), .ink = {Kind::kBad}});
    }
    entries.push_back(std::move(entry));
  }
  Flow(entries, "   ", pen);
}

void Meter(const Map& map, const MapMeter& meter, size_t name_width, Pen& pen) {
  std::vector<Portion> portions;
  for (const auto& taken : meter.portions) {
    Portion portion{.use = Use::kHeld, .amount = taken.amount, .label = "?", .key_size = 1};
    if (taken.holder) {
      portion.holder = *taken.holder;
      portion.label = map.holders.at(*taken.holder).key;
      portion.key_size = portion.label.size();
    }
    portions.push_back(std::move(portion));
  }
  if (meter.used < meter.total) {
    portions.push_back({.use = Use::kFree, .amount = meter.total - meter.used, .label = {}});
  }
  const std::string figures =
      fmt::format(" {} of {}{}", MapQuantity(meter.used), MapQuantity(meter.total),
                  meter.advisory ? " (advisory)" : "");
  pen.Fill(" ", kIndent);
  const std::string name = meter.name.substr(0, name_width);
  pen.Write(fmt::format("{:<{}} ", name, name_width));
  constexpr size_t kLeast = 8, kMost = 48, kEnds = 2;
  const size_t rest = pen.left() > figures.size() + kEnds ? pen.left() - figures.size() - kEnds : 0;
  Bar(portions, std::clamp(rest, kLeast, kMost), pen);
  pen.Write(figures);
  pen.EndLine();
}

void Meters(const Map& map, const MapCard& card, Pen& pen) {
  constexpr size_t kMostOfName = 20;
  size_t name_width = 0;
  for (const MapMeter& meter : card.meters) name_width = std::max(name_width, meter.name.size());
  for (const MapMeter& meter : card.meters) {
    Meter(map, meter, std::min(name_width, kMostOfName), pen);
  }
}

void Rest(const MapCard& card, Pen& pen) {
  for (const auto& [parts, why] : card.obstacles) {
    Flow({{{.text = std::string(pen.glyphs().unusable), .ink = {Kind::kBad}},
           {.text = fmt::format(" {}:", parts)},
           {.text = " " + why}}},
         "", pen);
  }
  const std::vector<std::string> offers = MapOffers(card, pen.glyphs().times);
  if (offers.empty()) return;
  std::vector<std::vector<Piece>> entries;
  for (const std::string& offer : offers) {
    const char* lead = entries.empty() ? "can give: " : "or ";
    entries.push_back({{.text = lead, .ink = {Kind::kDim}}, {.text = offer}});
  }
  Flow(entries, " ", pen);
}

// What the glyphs mean, of those that are there.
void Legend(const Map& map, Pen& pen) {
  const auto has = [&](Use use) {
    return std::ranges::any_of(map.cards, [&](const MapCard& card) {
      return std::ranges::find(card.lane, use, &MapSegment::use) != card.lane.end();
    });
  };
  std::vector<std::vector<Piece>> entries;
  const Glyphs& glyphs = pen.glyphs();
  const auto add = [&](Use use, std::string_view glyph, Ink ink, std::string_view meaning) {
    if (has(use)) entries.push_back({{std::string(glyph), ink}, {fmt::format(" {}", meaning)}});
  };
  if (pen.terminal().color) {
    add(Use::kHeld, "A", {Kind::kHolder, 0}, "held");
  } else {
    add(Use::kHeld, fmt::format("A{0}{0}", glyphs.held.at(0)), {}, "held");
  }
  add(Use::kFree, glyphs.free, {Kind::kDim}, "free");
  add(Use::kNoRoom, glyphs.no_room, {Kind::kDim}, "no room beside what is held");
  add(Use::kUnusable, glyphs.unusable, {Kind::kBad}, "unusable");
  Flow(entries, "   ", pen);
}

}  // namespace

std::string MapAsText(const Map& map, const Terminal& terminal) {
  if (map.cards.empty()) return "No devices found.\n";
  Pen pen(terminal);
  for (const MapCard& card : map.cards) {
    Title(card, pen);
    Lane(map, card, pen);
    Holders(map, card, pen);
    Meters(map, card, pen);
    Rest(card, pen);
    pen.EndLine();
  }
  Legend(map, pen);
  return pen.Take();
}

}  // namespace drapci::cli
