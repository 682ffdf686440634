// Lines of text in colours and glyphs that the terminal has. Part of map_text.h.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "plugin/cli/map.h"
#include "plugin/cli/terminal.h"

namespace drapci::cli {

// What drawings are made of: one column each.
struct Glyphs {
  std::array<std::string_view, 2> held;  // neighbours take turns
  std::string_view free, no_room, unusable;
  std::string_view times, cut, separator;
  std::string_view left_end, right_end;  // of a bar
  std::string_view vertical;
  // By what leaves the joint: 8 up, 4 down, 2 left, 1 right.
  std::array<std::string_view, 16> joints;
};
const Glyphs& GlyphsOf(const Terminal& terminal);

struct Ink {
  enum class Kind { kPlain, kBold, kDim, kBad, kHolder };
  Kind kind = Kind::kPlain;
  size_t holder = 0;  // kHolder: each has a colour of its own, as far as there are any
};

// Writes lines one behind the other and keeps them within the terminal's width.
class Pen {
 public:
  explicit Pen(const Terminal& terminal) : terminal_(terminal) {}

  const Terminal& terminal() const { return terminal_; }
  const Glyphs& glyphs() const { return GlyphsOf(terminal_); }
  size_t left() const { return terminal_.width - column_; }  // columns of this line

  void Write(std::string_view text, Ink ink = {});  // ends with a mark where it had to be cut
  void Fill(std::string_view glyph, size_t count, Ink ink = {});
  // The stretch of a drawing that is in this use: `label` in it, as far as there is room.
  void Block(MapSegment::Use use, const std::string& label, size_t key_size, size_t width,
             size_t holder, size_t turn = 0);
  void EndLine();
  std::string Take() { return std::move(out_); }

 private:
  void Dip(std::string_view code);  // changes the colour of what follows, when it is another one
  void Put(std::string_view text, size_t columns, Ink ink);

  const Terminal terminal_;
  std::string out_;
  std::string_view code_;  // the colour now; empty: none
  size_t column_ = 0;
};

}  // namespace drapci::cli
