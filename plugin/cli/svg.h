// Writing SVG. Part of map_svg.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace drapci::cli {

// `text` with what XML takes for markup escaped.
std::string EscapeXml(std::string_view text);

// Columns of the fixed-width font at `font_size` that fit into `width` pixels.
size_t ColumnsIn(double width, double font_size);

// ASCII `text` in at most `columns`, with ".." at its end where it had to be cut.
std::string Cut(std::string_view text, size_t columns);

// ASCII `text` as lines of at most `columns`, broken at blanks.
std::vector<std::string> Wrap(std::string_view text, size_t columns);

// Collects elements. Coordinates are pixels; `style` is a class of the page's style sheet.
class Svg {
 public:
  // An empty `tooltip` is none.
  void Rect(double x, double y, double width, double height, std::string_view style,
            std::string_view tooltip = "", std::string_view more = "");
  // The base line of `text` is at `y`.
  void Text(double x, double y, std::string_view text, std::string_view style = "");
  void Add(std::string_view markup) { out_ += markup; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace drapci::cli
