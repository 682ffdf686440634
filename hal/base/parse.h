// Strict parsing of the small texts that the kernel prints and that people type.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <vector>

namespace drapci {

// The whole of `text` as a number in `base`, or nothing: no sign where the type has none, no
// blanks, no trailing bytes, no overflow.
template <std::integral T>
std::optional<T> ParseInt(std::string_view text, int base = 10) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Hexadecimal with the "0x" that sysfs prints ("0x8086"), or without it ("10ca").
template <std::integral T>
std::optional<T> ParseHex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  return ParseInt<T>(text, 16);
}

// `text` without white space at both ends.
std::string_view Trim(std::string_view text);

// The pieces of `text` between `separator`; empty pieces are kept, an empty text has none.
std::vector<std::string_view> Split(std::string_view text, char separator);

}  // namespace drapci
