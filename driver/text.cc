#include "driver/text.h"

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Length of the well-formed sequence at the front of `text` (not empty); 0 when there is none.
// Table 3-7 of the Unicode standard.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  unsigned char low = 0x80, high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool HasControl(std::string_view text) { return std::ranges::any_of(text, IsControl); }

bool IsPlainPath(std::string_view path, size_t limit) {
  if (!path.starts_with('/') || path.size() > limit || HasControl(path) || !IsUtf8(path)) {
    return false;
  }
  for (const std::string_view component : Split(path, '/')) {
    if (component == "." || component == "..") return false;
  }
  return true;
}

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  std::string shown = "'";
  while (!text.empty() && shown.size() <= kShown) {
    const size_t length = SequenceLength(text);
    if (length == 0 || IsControl(text.front())) {
      shown += '?';
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return shown + (text.empty() ? "'" : "...'");
}

}  // namespace drapci::driver
