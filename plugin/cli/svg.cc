#include "plugin/cli/svg.h"

#include <fmt/format.h>

#include <algorithm>

namespace drapci::cli {

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

size_t ColumnsIn(double width, double font_size) {
  constexpr double kAdvance = 0.61;  // of the widest among the usual fixed-width fonts
  return static_cast<size_t>(std::max(0.0, width) / (kAdvance * font_size));
}

std::string Cut(std::string_view text, size_t columns) {
  if (text.size() <= columns) return std::string(text);
  if (columns <= 2) return std::string(text.substr(0, columns));
  return std::string(text.substr(0, columns - 2)) + "..";
}

std::vector<std::string> Wrap(std::string_view text, size_t columns) {
  columns = std::max<size_t>(columns, 1);
  std::vector<std::string> lines;
  while (text.size() > columns) {
    size_t end = text.rfind(' ', columns);
    if (end == std::string_view::npos || end == 0) end = columns;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  lines.emplace_back(text);
  return lines;
}

void Svg::Rect(double x, double y, double width, double height, std::string_view style,
               std::string_view tooltip, std::string_view more) {
  out_ += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"{})",
                      x, y, width, height, style, more);
  out_ += tooltip.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", EscapeXml(tooltip));
}

void Svg::Text(double x, double y, std::string_view text, std::string_view style) {
  if (text.empty()) return;
  const std::string classes = style.empty() ? "" : fmt::format(R"( class="{}")", style);
  out_ +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, classes, EscapeXml(text));
}

}  // namespace drapci::cli
