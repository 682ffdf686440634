#include "plugin/cli/map_svg.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "plugin/cli/svg.h"

namespace drapci::cli {
namespace {

using Use = MapSegment::Use;

constexpr double kMargin = 24, kGap = 16, kPad = 14, kFont = 12, kLine = 17;
constexpr size_t kColors = 10;

constexpr std::string_view kStyle = R"svg(<style>
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
text { fill: #1f2328; white-space: pre }
.page { fill: #f3f4f6 }
.card { fill: #fff; stroke: #d0d7de }
.bad-card { fill: #fff8f7; stroke: #e5a09a }
.name { font-weight: bold; font-size: 14px }
.big { font-weight: bold; font-size: 18px }
.dim { fill: #59636e }
.tick { fill: #59636e; font-size: 10px }
.bad { fill: #b3261e }
.free { fill: #fff; stroke: #8c959f; stroke-dasharray: 3 2 }
.no-room { fill: url(#dots); stroke: #8c959f }
.unusable { fill: url(#hatch); stroke: #c98a85 }
.track { fill: #eaeef2 }
.unknown { fill: #8c959f }
.held { stroke: #57606a }
.c0 { fill: #a9c9ee } .c1 { fill: #ffc48a } .c2 { fill: #a5dfa0 } .c3 { fill: #cdb9e2 }
.c4 { fill: #f6b3cf } .c5 { fill: #e0dc85 } .c6 { fill: #9bdfe3 } .c7 { fill: #d8b5a8 }
.c8 { fill: #c3cbd4 } .c9 { fill: #b4e0cc }
</style>
<defs>
<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse"
 patternTransform="rotate(45)">
<rect width="7" height="7" fill="#fdeceb"/><rect width="2.5" height="7" fill="#e5a09a"/>
</pattern>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">
<rect width="6" height="6" fill="#eaeef2"/><circle cx="3" cy="3" r="1" fill="#8c959f"/>
</pattern>
</defs>
)svg";

double WidthOf(std::string_view text) { return static_cast<double>(text.size()) * 7.4; }

std::string Color(size_t holder) { return fmt::format("c{}", holder % kColors); }

std::string_view StyleOf(Use use) {
  switch (use) {
    case Use::kFree: return "free";
    case Use::kNoRoom: return "no-room";
    case Use::kUnusable: return "unusable";
    case Use::kHeld: break;
  }
  return "held";
}

std::string_view Meaning(Use use) {
  switch (use) {
    case Use::kFree: return "free";
    case Use::kNoRoom: return "no room beside what is held";
    case Use::kUnusable: return "unusable";
    case Use::kHeld: break;
  }
  return "held";
}

// One card, from its upper left corner on.
class CardPage {
 public:
  CardPage(const Map& map, const MapCard& card, double width)
      : map_(map), card_(card), inner_(width - 2 * kPad) {}

  std::string Draw() {
    Line(card_.name, "name", 14);
    Line(card_.model);
    Line(fmt::format("{}", fmt::join(card_.facts, ", ")), "dim");
    Paragraph(card_.trouble, "bad");
    Paragraph(card_.condition, "bad");
    Lane();
    Holders();
    for (const MapMeter& meter : card_.meters) Meter(meter);
    for (const auto& [parts, why] : card_.obstacles) {
      Paragraph(fmt::format("{}: {}", parts, why), "bad");
    }
    const std::vector<std::string> offers = MapOffers(card_, "x");
    if (!offers.empty()) Paragraph(fmt::format("can give: {}", fmt::join(offers, " or ")), "dim");
    return svg_.Take();
  }
  double height() const { return y_ + kPad; }

 private:
  void Line(std::string_view text, std::string_view style = "", double font = kFont) {
    y_ += font == kFont ? kLine : kLine + 5;
    svg_.Text(kPad, y_, Cut(text, ColumnsIn(inner_, font)), style);
  }
  void Paragraph(std::string_view text, std::string_view style) {
    if (text.empty()) return;
    for (const std::string& line : Wrap(text, ColumnsIn(inner_, kFont))) Line(line, style);
  }

  // A block of the lane, with as much of its label as there is room for.
  void Block(const MapSegment& segment, double x, double width) {
    constexpr double kHeight = 30;
    if (segment.use != Use::kHeld) {
      return svg_.Rect(x, y_, width, kHeight, StyleOf(segment.use), Meaning(segment.use));
    }
    const MapHolder& holder = map_.holders.at(segment.holder);
    const std::string part = segment.part.empty() ? "whole card" : segment.part;
    svg_.Rect(x, y_, width, kHeight, "held " + Color(segment.holder),
              fmt::format("{} {}: {}", holder.key, holder.name, part));
    constexpr double kInset = 4;
    const size_t columns = ColumnsIn(width - kInset, kFont);
    const std::string label = holder.key + " " + holder.name;
    constexpr size_t kLeastOfName = 5;
    svg_.Text(x + kInset, y_ + 19,
              columns >= std::min(label.size(), holder.key.size() + 1 + kLeastOfName)
                  ? Cut(label, columns)
                  : holder.key.substr(0, std::max<size_t>(columns, 1)));
  }

  void Lane() {
    constexpr double kRow = 30, kTicks = 14;
    constexpr int kMostCells = 1024;
    const int cells = card_.size / card_.step;
    y_ += 8;
    if (card_.unit.empty() || cells > kMostCells) {
      for (const MapSegment& segment : card_.lane) {
        const double unit = inner_ / card_.size;
        Block(segment, kPad + segment.start * unit, segment.size * unit);
      }
      y_ += kRow + 4;
      return;
    }
    constexpr double kLeastCell = 26;
    int per_row = cells;
    if (inner_ / per_row < kLeastCell) {
      per_row = std::max(static_cast<int>(inner_ / kLeastCell), 1);
      if (per_row >= 8) per_row -= per_row % 8;
    }
    const double unit = inner_ / per_row / card_.step;
    for (int cell = 0; cell < cells; cell += per_row) {
      y_ += kTicks;
      Row(cell * card_.step, std::min(cells, cell + per_row) * card_.step, unit);
      y_ += kRow + 4;
    }
  }

  // Units `first` to `end`, without `end`, each `pixels` wide.
  void Row(int first, int end, double pixels) {
    for (const MapSegment& segment : card_.lane) {
      const int from = std::max(first, segment.start);
      const int to = std::min(end, segment.start + segment.size);
      if (from >= to) continue;
      const double x = kPad + (from - first) * pixels;
      svg_.Text(x + 2, y_ - 3, fmt::format("{}", from), "tick");
      Block(segment, x + 1, (to - from) * pixels - 2);
    }
  }

  // One behind the other, on as many lines as it takes.
  void Holders() {
    constexpr double kBetween = 18;
    double x = inner_;  // where the line is full so far
    for (const auto& [index, what] : card_.held) {
      const MapHolder& holder = map_.holders.at(index);
      const std::string note = holder.note.empty() ? "" : fmt::format(" ({})", holder.note);
      const double swatch = 8 + WidthOf(holder.key);
      const std::string text = Cut(fmt::format("{}: {}{}", holder.name, what, note),
                                   ColumnsIn(inner_ - swatch - 6, kFont));
      const double width = swatch + 6 + WidthOf(text);
      if (x + width > inner_) {
        y_ += kLine;
        x = 0;
      }
      svg_.Rect(kPad + x, y_ - 11, swatch, 14, "held " + Color(index));
      svg_.Text(kPad + x + 4, y_, holder.key);
      svg_.Text(kPad + x + swatch + 6, y_, text, note.empty() ? "" : "bad");
      x += width + kBetween;
    }
  }

  void Meter(const MapMeter& meter) {
    y_ += kLine + 3;
    const double name = 150, figures = 190, width = std::max(40.0, inner_ - name - figures);
    const double x = kPad + name;
    svg_.Text(kPad, y_, Cut(meter.name, ColumnsIn(name - 8, kFont)));
    svg_.Rect(x, y_ - 11, width, 14, "track");
    const double pixel = width / static_cast<double>(meter.total);
    double done = 0;
    for (const auto& portion : meter.portions) {
      const double size = static_cast<double>(portion.amount) * pixel;
      std::string who = "somebody unknown", style = "unknown", key;
      if (portion.holder) {
        const MapHolder& holder = map_.holders.at(*portion.holder);
        who = holder.key + " " + holder.name;
        style = "held " + Color(*portion.holder);
        key = holder.key;
      }
      svg_.Rect(x + done, y_ - 11, size, 14, style,
                fmt::format("{}: {}", who, MapQuantity(portion.amount)));
      if (ColumnsIn(size - 3, kFont) >= key.size()) svg_.Text(x + done + 3, y_, key);
      done += size;
    }
    svg_.Text(x + width + 8, y_,
              Cut(fmt::format("{} of {}{}", MapQuantity(meter.used), MapQuantity(meter.total),
                              meter.advisory ? " (advisory)" : ""),
                  ColumnsIn(figures - 8, kFont)),
              "dim");
  }

  const Map& map_;
  const MapCard& card_;
  const double inner_;
  Svg svg_;
  double y_ = 2;
};

// What the drawings of places mean.
std::string Legend(double y) {
  Svg svg;
  double x = kMargin;
  svg.Text(x, y, "drapci map", "big");
  x += 150;
  for (const Use use : {Use::kHeld, Use::kFree, Use::kNoRoom, Use::kUnusable}) {
    const std::string style = use == Use::kHeld ? "held c0" : std::string(StyleOf(use));
    svg.Rect(x, y - 12, 22, 14, style);
    svg.Text(x + 28, y, Meaning(use), "dim");
    x += 28 + WidthOf(Meaning(use)) + 20;
  }
  return svg.Take();
}

}  // namespace

std::string MapAsSvg(const Map& map) {
  constexpr double kTop = 56;
  // Few cards get wide columns, many of them narrow ones, each below the shortest so far.
  const size_t columns = map.cards.size() <= 2 ? 1 : map.cards.size() <= 8 ? 2 : 3;
  constexpr std::array<double, 3> kWidths = {900, 620, 520};
  const double width = kWidths.at(columns - 1);
  std::vector<double> filled(columns, kTop);
  Svg cards;
  for (const MapCard& card : map.cards) {
    const auto column = std::ranges::min_element(filled);
    const double x = kMargin + static_cast<double>(column - filled.begin()) * (width + kGap);
    CardPage page(map, card, width);
    const std::string drawn = page.Draw();
    cards.Add(fmt::format("<g transform=\"translate({:.0f} {:.0f})\">\n", x, *column));
    cards.Rect(0, 0, width, page.height(),
               card.trouble.empty() && card.condition.empty() ? "card" : "bad-card", "",
               R"( rx="8")");
    cards.Add(drawn + "</g>\n");
    *column += page.height() + kGap;
  }
  if (map.cards.empty()) cards.Text(kMargin, kTop + kLine, "No devices found.");
  const auto count = static_cast<double>(columns);
  const double page_width = 2 * kMargin + count * width + (count - 1) * kGap;
  const double page_height =
      std::max(*std::ranges::max_element(filled), kTop + 40) + kMargin - kGap;
  return fmt::format(
             R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}"
 viewBox="0 0 {0:.0f} {1:.0f}" role="img">
<title>The accelerators of this node and who holds them</title>
)",
             page_width, page_height) +
         std::string(kStyle) +
         fmt::format("<rect width=\"{:.0f}\" height=\"{:.0f}\" class=\"page\"/>\n", page_width,
                     page_height) +
         Legend(36) + cards.Take() + "</svg>\n";
}

}  // namespace drapci::cli
