// Quantities as the API server reads and prints them; written apart from the driver's, so that
// each can find a mistake of the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drapci::apiserver {

__extension__ using Int128 = __int128;

struct Quantity {
  enum class Format { kDecimal, kBinary, kExponent };
  Int128 nano = 0;  // 10^-9
  Format format = Format::kDecimal;

  static std::optional<Quantity> Parse(std::string_view text);

  std::string Canonical() const;  // "1Gi" of "1024Mi", "500m" of "0.5", "2k" of "2000"
  Int128 Value() const;           // rounded up to a whole number
  Int128 Milli() const;           // rounded up to thousandths

  static Quantity Whole(Int128 value, Format format);
};

}  // namespace drapci::apiserver
