#include "test/apiserver/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace drapci::apiserver {
namespace {

constexpr Int128 kNano = 1'000'000'000;
constexpr Int128 kMost = Int128{INT64_MAX} * kNano;

struct Scale {
  Int128 numerator = 1, denominator = 1;
  Quantity::Format format = Quantity::Format::kDecimal;
};

constexpr std::array<std::string_view, 6> kDecimal = {"k", "M", "G", "T", "P", "E"};
constexpr std::array<std::string_view, 6> kBinary = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

Int128 Power(Int128 base, int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= base;
  return power;
}

std::optional<Scale> ExponentOf(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (exponent < -18 || exponent > 18) return std::nullopt;
  Scale scale{.format = Quantity::Format::kExponent};
  (exponent < 0 ? scale.denominator : scale.numerator) = Power(10, std::abs(exponent));
  return scale;
}

std::optional<Scale> ScaleOf(std::string_view suffix) {
  if (suffix.empty()) return Scale{};
  if (suffix == "n") return Scale{.denominator = kNano};
  if (suffix == "u") return Scale{.denominator = 1'000'000};
  if (suffix == "m") return Scale{.denominator = 1'000};
  for (size_t i = 0; i < kDecimal.size(); ++i) {
    const int steps = static_cast<int>(i) + 1;
    if (suffix == kDecimal[i]) return Scale{.numerator = Power(1000, steps)};
    if (suffix == kBinary[i]) {
      return Scale{.numerator = Power(1024, steps), .format = Quantity::Format::kBinary};
    }
  }
  if (suffix[0] == 'e' || suffix[0] == 'E') return ExponentOf(suffix.substr(1));
  return std::nullopt;
}

std::string Digits(Int128 value) {
  std::string text;
  const bool negative = value < 0;
  if (negative) value = -value;
  do {
    text += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  if (negative) text += '-';
  std::reverse(text.begin(), text.end());
  return text;
}

Int128 DivideUp(Int128 value, Int128 by) { return value >= 0 ? (value + by - 1) / by : value / by; }

// Whole powers of ten come out of `nano`, at most 18 below and above one.
std::string Decimal(Int128 nano, bool exponent) {
  constexpr std::array<std::string_view, 10> kNames = {"n", "u", "m", "",  "k",
                                                       "M", "G", "T", "P", "E"};
  if (nano == 0) return "0";
  size_t steps = 0;
  while (steps + 1 < kNames.size() && nano % 1000 == 0) {
    nano /= 1000;
    ++steps;
  }
  if (!exponent || steps == 3) return Digits(nano) + std::string(kNames.at(steps));
  return Digits(nano) + "e" + Digits((static_cast<Int128>(steps) - 3) * 3);
}

std::string Binary(Int128 value) {
  size_t steps = 0;
  while (steps < kBinary.size() && value % 1024 == 0) {
    value /= 1024;
    ++steps;
  }
  return Digits(value) + (steps == 0 ? "" : std::string(kBinary.at(steps - 1)));
}

}  // namespace

std::optional<Quantity> Quantity::Parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view number = text.substr(0, number_end);
  const auto scale = ScaleOf(text.substr(number_end));
  const size_t dot = std::min(number.find('.'), number.size());
  std::string_view whole = number.substr(0, dot);
  std::string_view fraction = number.substr(std::min(dot + 1, number.size()));
  if (!scale || whole.size() + fraction.size() == 0) return std::nullopt;
  if (fraction.find('.') != fraction.npos || whole.size() > 19) return std::nullopt;
  // Nothing below a nano unit is kept, but it rounds up.
  const std::string_view kept = fraction.substr(0, 9);
  bool more = fraction.substr(kept.size()).find_first_not_of('0') != fraction.npos;
  Int128 nano = 0;
  for (const char digit : whole) nano = nano * 10 + (digit - '0');
  for (const char digit : kept) nano = nano * 10 + (digit - '0');
  nano *= Power(10, 9 - static_cast<int>(kept.size()));
  if (nano > kMost * 2) return std::nullopt;
  // At most 2^64 * 10^9 * 10^18 would not fit: what passes the largest value is cut to it.
  if (scale->numerator > 1 && nano > kMost / scale->numerator) {
    nano = kMost;
  } else {
    nano *= scale->numerator;
    more = more || nano % scale->denominator != 0;
    nano /= scale->denominator;
  }
  if (more) ++nano;
  nano = std::min(nano, kMost);
  return Quantity{.nano = negative ? -nano : nano, .format = scale->format};
}

std::string Quantity::Canonical() const {
  const bool small = nano > -1024 * kNano && nano < 1024 * kNano;
  if (format != Format::kBinary || small) return Decimal(nano, format == Format::kExponent);
  return Binary(DivideUp(nano, kNano));
}

Int128 Quantity::Value() const { return DivideUp(nano, kNano); }

Int128 Quantity::Milli() const { return DivideUp(nano, kNano / 1000); }

Quantity Quantity::Whole(Int128 value, Format format) {
  return {.nano = value * kNano, .format = format};
}

}  // namespace drapci::apiserver
