#include "plugin/kube/one_line.h"

namespace drapci::plugin::kube {

std::string OneLine(std::string_view text, size_t most) {
  std::string line;
  bool blank = false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      blank = !line.empty();
      continue;
    }
    if (line.size() >= most) return line + " ...";
    if (blank) line += ' ';
    blank = false;
    line += c;
  }
  return line;
}

}  // namespace drapci::plugin::kube
