#include "plugin/cli/map_grid.h"

#include <fmt/format.h>

#include <algorithm>

namespace drapci::cli {
namespace {

using Use = MapSegment::Use;

class Grid {
 public:
  Grid(const Map& map, const MapCard& card, size_t indent, Pen& pen)
      : map_(map), card_(card), indent_(indent), pen_(pen) {
    for (size_t i = 0; i < card.lane.size(); ++i) {
      cells_.insert(cells_.end(), static_cast<size_t>(card.lane[i].size / card.step), i);
    }
    Fit(pen.left() - indent - 1);
  }

  void Draw() {
    for (size_t row = 0; row < rows(); ++row) {
      Border(row);
      Content(row);
    }
    Border(rows());
  }

 private:
  size_t rows() const { return (cells_.size() + per_row_ - 1) / per_row_; }
  size_t First(size_t row) const { return row * per_row_; }
  size_t End(size_t row) const { return std::min(cells_.size(), First(row) + per_row_); }
  // Columns of a row, with the line at either end; 0 beyond the last row.
  size_t Length(size_t row) const {
    return row < rows() ? (End(row) - First(row)) * width_ + 1 : 0;
  }

  // How wide a cell is, its left line included, and how many of them a row holds.
  void Fit(size_t width) {
    size_t least = fmt::formatted_size("{}", card_.size - card_.step);
    for (const auto& [holder, what] : card_.held) {
      least = std::max(least, map_.holders.at(holder).key.size());
    }
    ++least;
    per_row_ = cells_.size();
    if (per_row_ * least > width) {
      per_row_ = std::max<size_t>(width / least, 1);
      // Round numbers are easier to count.
      for (const size_t round : {8, 4}) {
        if (per_row_ >= round) {
          per_row_ -= per_row_ % round;
          break;
        }
      }
    }
    width_ = std::max(width / per_row_, least);
  }

  bool Divided(size_t cell) const { return cell == 0 || cells_[cell] != cells_[cell - 1]; }
  bool LineAt(size_t row, size_t column) const {
    if (column + 1 > Length(row)) return false;
    if (column == 0 || column + 1 == Length(row)) return true;
    return column % width_ == 0 && Divided(First(row) + column / width_);
  }

  // The line above `row`, with the number of each unit that begins something below it.
  void Border(size_t row) {
    const size_t above = row == 0 ? 0 : Length(row - 1), below = Length(row);
    const size_t length = std::max(above, below);
    pen_.Fill(" ", indent_);
    for (size_t column = 0; column < length;) {
      const bool up = row > 0 && LineAt(row - 1, column), down = LineAt(row, column);
      const size_t joint = (up ? 8u : 0u) + (down ? 4u : 0u) + (column > 0 ? 2u : 0u) +
                           (column + 1 < length ? 1u : 0u);
      pen_.Fill(pen_.glyphs().joints.at(joint), 1, {Ink::Kind::kDim});
      ++column;
      if (!down || column >= below) continue;
      const size_t cell = First(row) + (column - 1) / width_;
      const std::string number = fmt::format("{}", cell * static_cast<size_t>(card_.step));
      pen_.Write(number, {Ink::Kind::kDim});
      column += number.size();
    }
    pen_.EndLine();
  }

  void Content(size_t row) {
    pen_.Fill(" ", indent_);
    for (size_t cell = First(row); cell < End(row);) {
      size_t end = cell + 1;
      while (end < End(row) && !Divided(end)) ++end;
      pen_.Fill(pen_.glyphs().vertical, 1, {Ink::Kind::kDim});
      const MapSegment& segment = card_.lane[cells_[cell]];
      std::string label;
      size_t key_size = 0;
      if (segment.use == Use::kHeld) {
        const MapHolder& holder = map_.holders.at(segment.holder);
        label = holder.key + " " + holder.name;
        key_size = holder.key.size();
      }
      pen_.Block(segment.use, label, key_size, (end - cell) * width_ - 1, segment.holder);
      cell = end;
    }
    pen_.Fill(pen_.glyphs().vertical, 1, {Ink::Kind::kDim});
    pen_.EndLine();
  }

  const Map& map_;
  const MapCard& card_;
  const size_t indent_;
  Pen& pen_;
  std::vector<size_t> cells_;       // the segment of the lane that each belongs to
  size_t per_row_ = 1, width_ = 2;  // of a cell, its left line included
};

}  // namespace

void DrawGrid(const Map& map, const MapCard& card, size_t indent, Pen& pen) {
  Grid(map, card, indent, pen).Draw();
}

}  // namespace drapci::cli
