#include "plugin/quantity.h"

#include <gtest/gtest.h>

#include <limits>

namespace drapci::plugin {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

TEST(Quantity, KnowsEverySuffix) {
  const std::pair<std::string_view, int64_t> cases[] = {
      {"0", 0},
      {"7", 7},
      {"+7", 7},
      {"-7", -7},
      {"007", 7},
      {"2000m", 2},
      {"3000000u", 3},
      {"4000000000n", 4},
      {"2k", 2'000},
      {"200M", 200'000'000},
      {"10G", 10'000'000'000},
      {"3T", 3'000'000'000'000},
      {"4P", 4'000'000'000'000'000},
      {"5E", 5'000'000'000'000'000'000},
      {"1Ki", 1024},
      {"10Mi", 10 << 20},
      {"1Gi", 1 << 30},
      {"2Ti", int64_t{2} << 40},
      {"2Pi", int64_t{2} << 50},
      {"7Ei", int64_t{7} << 60},
      {"1e9", 1'000'000'000},
      {"1E9", 1'000'000'000},
      {"1e+3", 1'000},
      {"5000e-3", 5},
  };
  for (const auto& [text, value] : cases) EXPECT_EQ(ParseQuantity(text), value) << text;
}

TEST(Quantity, IsExactWithFractions) {
  EXPECT_EQ(ParseQuantity("0.5Gi"), 1 << 29);
  EXPECT_EQ(ParseQuantity("1.5k"), 1500);
  EXPECT_EQ(ParseQuantity(".5M"), 500'000);
  EXPECT_EQ(ParseQuantity("5."), 5);
  EXPECT_EQ(ParseQuantity("0.123456789G"), 123'456'789);
  EXPECT_EQ(ParseQuantity("9223372036854775.807k"), kMax);
}

TEST(Quantity, RoundsAwayFromZeroAsTheApiServerDoes) {
  EXPECT_EQ(ParseQuantity("1m"), 1);
  EXPECT_EQ(ParseQuantity("1001m"), 2);
  EXPECT_EQ(ParseQuantity("-1001m"), -2);
  EXPECT_EQ(ParseQuantity("0.0000000000001"), 1);
  EXPECT_EQ(ParseQuantity("1e-30"), 1);
  EXPECT_EQ(ParseQuantity("0.1Ki"), 103);
  EXPECT_EQ(ParseQuantity("0.0"), 0);
  EXPECT_EQ(ParseQuantity("0e-30"), 0);
}

TEST(Quantity, EndsWhereInt64Ends) {
  EXPECT_EQ(ParseQuantity("9223372036854775807"), kMax);
  EXPECT_EQ(ParseQuantity("-9223372036854775808"), kMin);
  for (const auto* text : {"9223372036854775808", "-9223372036854775809", "9223372036854775806.1E",
                           "8Ei", "10E", "1e19", "1e9999", "99999999999999999999"}) {
    EXPECT_EQ(ParseQuantity(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseQuantity("-8Ei"), kMin);
}

TEST(Quantity, RefusesWhatIsNone) {
  for (const auto* text : {"",    "-",    "+-1",   ".",    "1.2.3", "k",   "K",       "1K",
                           "1ki", "1kB",  " 1",    "1 ",   "1 k",   "1e",  "1e1.5",   "1ee3",
                           "1mi", "0x10", "1e+-3", "1Gi3", "--1",   "1,5", "1e10000", "inf"}) {
    EXPECT_EQ(ParseQuantity(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseQuantity(std::string(200, '0')), std::nullopt);
  EXPECT_EQ(ParseQuantity(std::string_view("1\0", 2)), std::nullopt);
}

TEST(Quantity, IsWrittenAsTheApiServerWritesIt) {
  EXPECT_EQ(FormatQuantity(0), "0");
  EXPECT_EQ(FormatQuantity(12345), "12345");
  EXPECT_EQ(FormatQuantity(1000), "1k");
  EXPECT_EQ(FormatQuantity(1500), "1500");
  EXPECT_EQ(FormatQuantity(200'000'000), "200M");
  EXPECT_EQ(FormatQuantity(-2'000'000), "-2M");
  EXPECT_EQ(FormatQuantity(1 << 30), "1073741824");
  EXPECT_EQ(FormatQuantity(0, true), "0");
  EXPECT_EQ(FormatQuantity(1 << 30, true), "1Gi");
  EXPECT_EQ(FormatQuantity(1536, true), "1536");
  EXPECT_EQ(FormatQuantity(3 << 20, true), "3Mi");
  // No multiple of 1024: as the API server would write the plain number.
  EXPECT_EQ(FormatQuantity(2000, true), "2k");
}

TEST(Quantity, ReadsBackWhatItWrites) {
  int64_t value = 1;
  for (int i = 0; i < 63; ++i) {
    for (const int64_t number : {value, -value, value + 1, value / 3 * 1000}) {
      for (const bool binary : {false, true}) {
        EXPECT_EQ(ParseQuantity(FormatQuantity(number, binary)), number);
      }
    }
    if (i < 52) value *= 2;
  }
  for (const int64_t number : {kMin, kMax}) {
    EXPECT_EQ(ParseQuantity(FormatQuantity(number, true)), number);
    EXPECT_EQ(ParseQuantity(FormatQuantity(number)), number);
  }
}

}  // namespace
}  // namespace drapci::plugin
