// What the place that text is printed to can show.
#pragma once

#include <cstddef>
#include <string>

namespace drapci::cli {

struct Terminal {
  size_t width = 100;  // columns
  bool utf8 = true;    // else ASCII only
  bool color = false;  // ANSI escape sequences
};

// What there is to decide it from.
struct TerminalFacts {
  bool is_terminal = false;
  size_t columns = 0;                            // as the terminal says; 0: it does not
  std::string codeset;                           // of the locale: "UTF-8"
  std::string columns_variable, no_color, term;  // COLUMNS, NO_COLOR and TERM; empty: not set
};

// Colour only on a terminal that has it, and not against NO_COLOR (https://no-color.org). COLUMNS
// beats what the terminal says. Pure.
Terminal Decide(const TerminalFacts& facts);

// For the file descriptor `fd`, from the environment.
Terminal TerminalAt(int fd);

}  // namespace drapci::cli
