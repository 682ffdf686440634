#include "plugin/kube/base64.h"

#include <algorithm>
#include <cstdint>

namespace drapci::plugin::kube {
namespace {

constexpr std::string_view kLettersAndDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// `last` are the two characters that the alphabets do not share. `text` has no padding.
std::optional<std::string> Decode(std::string_view text, std::string_view last) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    size_t value = kLettersAndDigits.find(c);
    if (value == std::string_view::npos) {
      const size_t place = last.find(c);
      if (place == std::string_view::npos) return std::nullopt;
      value = kLettersAndDigits.size() + place;
    }
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held & 0xff));
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string one_line(text);
  std::erase_if(one_line, [](char c) { return c == '\n' || c == '\r'; });
  if (one_line.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && one_line.ends_with('='); ++padding) one_line.pop_back();
  return Decode(one_line, "+/");
}

std::optional<std::string> DecodeBase64Url(std::string_view text) { return Decode(text, "-_"); }

}  // namespace drapci::plugin::kube
