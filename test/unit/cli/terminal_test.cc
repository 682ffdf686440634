#include "plugin/cli/terminal.h"

#include <gtest/gtest.h>

namespace drapci::cli {
namespace {

constexpr const char* kUtf8 = "UTF-8";

TEST(TerminalTest, HasColorOnlyWhereItIsATerminalThatHasIt) {
  const TerminalFacts xterm{.is_terminal = true, .codeset = kUtf8, .term = "xterm"};
  EXPECT_TRUE(Decide(xterm).color);
  TerminalFacts other = xterm;
  other.is_terminal = false;
  EXPECT_FALSE(Decide(other).color);
  other = xterm;
  other.term = "dumb";
  EXPECT_FALSE(Decide(other).color);
  other = xterm;
  other.no_color = "1";
  EXPECT_FALSE(Decide(other).color);
}

TEST(TerminalTest, IsAsWideAsItSaysUnlessColumnsSaysOtherwise) {
  EXPECT_EQ(Decide({}).width, 100u);
  EXPECT_EQ(Decide({.columns = 132}).width, 132u);
  EXPECT_EQ(Decide({.columns = 132, .columns_variable = "80"}).width, 80u);
  EXPECT_EQ(Decide({.columns = 132, .columns_variable = "wide"}).width, 132u);
}

TEST(TerminalTest, IsNeverTooNarrowOrEndless) {
  EXPECT_EQ(Decide({.columns = 3}).width, 40u);
  EXPECT_EQ(Decide({.columns_variable = "1000000000"}).width, 400u);
}

TEST(TerminalTest, HasMoreThanAsciiOnlyInAUtf8Locale) {
  EXPECT_TRUE(Decide({.codeset = kUtf8}).utf8);
  EXPECT_FALSE(Decide({.codeset = "ANSI_X3.4-1968"}).utf8);
  EXPECT_FALSE(Decide({}).utf8);
}

}  // namespace
}  // namespace drapci::cli
