// Text for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drapci::cli {

// `text` with everything that could steer a terminal (control characters, also those of the C1 set,
// and bytes that are not UTF-8) replaced by '?'. Names come from hardware, from claims and from
// files.
std::string Printable(std::string_view text);

// The number of code points in `text`, for lining up columns.
size_t DisplayWidth(std::string_view text);

// Columns the way kubectl prints them: left-aligned, three blanks apart, "-" for an empty cell.
// Cells are made Printable.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void Add(std::vector<std::string> cells);  // as many as there are headings
  bool empty() const { return rows_.size() == 1; }
  std::string Render(std::string_view indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace drapci::cli
