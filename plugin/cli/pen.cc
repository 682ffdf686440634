#include "plugin/cli/pen.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

using Use = MapSegment::Use;

constexpr Glyphs kUtf8 = {
    .held = {"█", "▓"},
    .free = "·",
    .no_room = "░",
    .unusable = "×",
    .times = "×",
    .cut = "…",
    .separator = " · ",
    .left_end = "▐",
    .right_end = "▌",
    .vertical = "│",
    .joints = {" ", "─", "─", "─", "│", "┌", "┐", "┬", "│", "└", "┘", "┴", "│", "├", "┤", "┼"}};
constexpr Glyphs kAscii = {
    .held = {"#", "="},
    .free = ".",
    .no_room = ":",
    .unusable = "x",
    .times = "x",
    .cut = "~",
    .separator = ", ",
    .left_end = "[",
    .right_end = "]",
    .vertical = "|",
    .joints = {" ", "-", "-", "-", "|", "+", "+", "+", "|", "+", "+", "+", "|", "+", "+", "+"}};

// Dark on bright and bright on dark, of the sixteen colours that every terminal has; none is
// the red of what is unusable.
constexpr std::array<std::string_view, 6> kHolderColors = {"30;46", "30;43", "97;45",
                                                           "97;44", "30;42", "30;47"};

std::string_view Code(Ink ink) {
  switch (ink.kind) {
    case Ink::Kind::kPlain: break;
    case Ink::Kind::kBold: return "1";
    case Ink::Kind::kDim: return "2";
    case Ink::Kind::kBad: return "31";
    case Ink::Kind::kHolder: return kHolderColors.at(ink.holder % kHolderColors.size());
  }
  return "";
}

// As much of `label` as `width` columns hold: all of it, its key and a cut name, or the key.
std::string Fit(const std::string& label, size_t key_size, size_t width, std::string_view cut) {
  constexpr size_t kLeastOfName = 3;
  if (label.size() <= width) return label;
  if (key_size + 1 + kLeastOfName + 1 <= width) {
    return label.substr(0, width - 1) + std::string(cut);
  }
  return label.substr(0, std::min(key_size, width));
}

}  // namespace

const Glyphs& GlyphsOf(const Terminal& terminal) { return terminal.utf8 ? kUtf8 : kAscii; }

void Pen::Dip(std::string_view code) {
  if (code == code_) return;
  if (!code_.empty()) out_ += "\x1b[0m";
  if (!code.empty()) out_ += fmt::format("\x1b[{}m", code);
  code_ = code;
}

void Pen::Put(std::string_view text, size_t columns, Ink ink) {
  Dip(terminal_.color ? Code(ink) : "");
  out_ += text;
  column_ += columns;
}

void Pen::Write(std::string_view text, Ink ink) {
  const size_t width = DisplayWidth(text);
  if (width <= left()) return Put(text, width, ink);
  if (left() == 0) return;
  // Only texts that are ASCII are ever too long.
  Put(std::string(text.substr(0, left() - 1)) + std::string(glyphs().cut), left(), ink);
}

void Pen::Fill(std::string_view glyph, size_t count, Ink ink) {
  count = std::min(count, left());
  if (count == 0) return;
  std::string text;
  for (size_t i = 0; i < count; ++i) text += glyph;
  Put(text, count, ink);
}

void Pen::Block(MapSegment::Use use, const std::string& label, size_t key_size, size_t width,
                size_t holder, size_t turn) {
  switch (use) {
    case Use::kFree: return Fill(glyphs().free, width, {Ink::Kind::kDim});
    case Use::kNoRoom: return Fill(glyphs().no_room, width, {Ink::Kind::kDim});
    case Use::kUnusable: return Fill(glyphs().unusable, width, {Ink::Kind::kBad});
    case Use::kHeld: break;
  }
  const std::string shown = Fit(label, key_size, width, glyphs().cut);
  const size_t rest = width - std::min(width, DisplayWidth(shown));
  const Ink ink{Ink::Kind::kHolder, holder};
  if (terminal_.color) return Put(shown + std::string(rest, ' '), width, ink);
  Put(shown, width - rest, ink);
  if (rest > 0 && shown.size() > key_size) Put(" ", 1, ink);
  Fill(glyphs().held.at(turn % 2), rest - (rest > 0 && shown.size() > key_size ? 1 : 0), ink);
}

void Pen::EndLine() {
  Dip("");
  out_ += '\n';
  column_ = 0;
}

}  // namespace drapci::cli
