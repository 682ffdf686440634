#include "plugin/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "hal/base/parse.h"

namespace drapci::plugin {
namespace {

constexpr size_t kMaxText = 128;  // bytes; no quantity that means something is longer
constexpr std::string_view kDecimalSuffixes = "kMGTPE", kBinarySuffixes = "KMGTPE";

// What stands behind the number: the factor 10^ten * 2^two.
struct Scale {
  int ten = 0, two = 0;
};

std::optional<Scale> ParseSuffix(std::string_view suffix) {
  if (suffix.empty()) return Scale{};
  if (suffix.size() == 1) {
    constexpr std::string_view kFractions = "mun";
    if (const size_t at = kDecimalSuffixes.find(suffix[0]); at != std::string_view::npos) {
      return Scale{.ten = 3 * (static_cast<int>(at) + 1)};
    }
    if (const size_t at = kFractions.find(suffix[0]); at != std::string_view::npos) {
      return Scale{.ten = -3 * (static_cast<int>(at) + 1)};
    }
    return std::nullopt;
  }
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const size_t at = kBinarySuffixes.find(suffix[0]);
    if (at == std::string_view::npos) return std::nullopt;
    return Scale{.two = 10 * (static_cast<int>(at) + 1)};
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return std::nullopt;
  suffix.remove_prefix(1);
  if (suffix.starts_with('+')) {
    suffix.remove_prefix(1);
    if (suffix.starts_with('-')) return std::nullopt;
  }
  // Four digits say more than enough: what is beyond is 0, 1 or too large.
  constexpr int kMaxExponent = 9999;
  const auto exponent = ParseInt<int>(suffix);
  if (!exponent || *exponent > kMaxExponent || *exponent < -kMaxExponent) return std::nullopt;
  return Scale{.ten = *exponent};
}

// A number as its decimal digits and the place of the point among (or beside) them: exact, where
// floating point would not be.
struct Decimal {
  std::string digits;
  int point = 0;

  void Double() {
    int carry = 0;
    for (size_t i = digits.size(); i-- > 0;) {
      const int sum = 2 * (digits[i] - '0') + carry;
      digits[i] = static_cast<char>('0' + sum % 10);
      carry = sum / 10;
    }
    if (carry == 0) return;
    digits.insert(digits.begin(), '1');
    ++point;
  }

  // The next whole number from it on; empty beyond 19 digits, which is more than int64 has.
  std::optional<uint64_t> RoundUp() const {
    const size_t first = digits.find_first_not_of('0');
    if (first == std::string::npos) return 0;
    const int length = point - static_cast<int>(first);  // of the whole part
    if (length > 19) return std::nullopt;
    if (length <= 0) return 1;
    const auto whole_digits = static_cast<size_t>(length);
    std::string whole = digits.substr(first, whole_digits);
    const bool rest = digits.find_first_not_of('0', first + whole.size()) != std::string::npos;
    whole.resize(whole_digits, '0');
    const auto number = ParseInt<uint64_t>(whole);
    if (!number) return std::nullopt;
    return *number + (rest ? 1 : 0);
  }
};

}  // namespace

std::optional<int64_t> ParseQuantity(std::string_view text) {
  if (text.size() > kMaxText) return std::nullopt;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, end);
  const size_t point = std::min(number.find('.'), number.size());
  Decimal value{.digits = std::string(number.substr(0, point)), .point = static_cast<int>(point)};
  if (point < number.size()) value.digits += number.substr(point + 1);
  if (value.digits.empty() || value.digits.contains('.')) return std::nullopt;

  const auto scale = ParseSuffix(text.substr(end));
  if (!scale) return std::nullopt;
  for (int i = 0; i < scale->two; ++i) value.Double();
  value.point += scale->ten;
  const auto magnitude = value.RoundUp();
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!magnitude || *magnitude > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - *magnitude : *magnitude);
}

std::string FormatQuantity(int64_t value, bool binary) {
  // A count of bytes that is no multiple of 1024 is written like any other number: the API server
  // would make that of it.
  binary = binary && value % 1024 == 0;
  const int64_t unit = binary ? 1024 : 1000;
  const std::string_view suffixes = binary ? kBinarySuffixes : kDecimalSuffixes;
  size_t steps = 0;
  for (; value != 0 && value % unit == 0; value /= unit) ++steps;
  if (steps == 0) return fmt::format("{}", value);
  return fmt::format("{}{}{}", value, suffixes[steps - 1], binary ? "i" : "");
}

}  // namespace drapci::plugin
