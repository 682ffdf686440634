#include "hal/base/parse.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace drapci {
namespace {

TEST(ParseInt, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(ParseInt<int>("42"), 42);
  EXPECT_EQ(ParseInt<int>("-1"), -1);
  for (const char* bad : {"", " 42", "42 ", "42x", "+42", "0x2a", "4 2", "--1", "-"}) {
    EXPECT_EQ(ParseInt<int>(bad), std::nullopt) << "'" << bad << "'";
  }
}

TEST(ParseInt, RefusesWhatDoesNotFitTheType) {
  EXPECT_EQ(ParseInt<uint8_t>("255"), 255);
  EXPECT_EQ(ParseInt<uint8_t>("256"), std::nullopt);
  EXPECT_EQ(ParseInt<uint8_t>("-1"), std::nullopt);
  EXPECT_EQ(ParseInt<int64_t>("9223372036854775808"), std::nullopt);
}

TEST(ParseHex, TakesTheSpellingsOfSysfs) {
  EXPECT_EQ(ParseHex<uint16_t>("0x8086"), 0x8086);
  EXPECT_EQ(ParseHex<uint16_t>("10ca"), 0x10ca);
  EXPECT_EQ(ParseHex<uint32_t>("0x020000"), 0x020000u);
  EXPECT_EQ(ParseHex<uint16_t>("0x"), std::nullopt);
  EXPECT_EQ(ParseHex<uint16_t>("0x0x1"), std::nullopt);
  EXPECT_EQ(ParseHex<uint16_t>("0x10000"), std::nullopt);
}

TEST(Trim, TakesWhiteSpaceFromBothEndsOnly) {
  EXPECT_EQ(Trim("  a b\n"), "a b");
  EXPECT_EQ(Trim("\t\r\n "), "");
  EXPECT_EQ(Trim(""), "");
}

TEST(Split, KeepsEmptyPieces) {
  using Pieces = std::vector<std::string_view>;
  EXPECT_EQ(Split("a:b", ':'), (Pieces{"a", "b"}));
  EXPECT_EQ(Split(":a::b:", ':'), (Pieces{"", "a", "", "b", ""}));
  EXPECT_EQ(Split(":", ':'), (Pieces{"", ""}));
  EXPECT_EQ(Split("a", ':'), (Pieces{"a"}));
  EXPECT_EQ(Split("", ':'), Pieces{});
}

}  // namespace
}  // namespace drapci
