#include "plugin/cli/text.h"

#include <gtest/gtest.h>

namespace drapci::cli {
namespace {

TEST(Printable, KeepsTextOfAnyLanguage) { EXPECT_EQ(Printable("Größe ☃ 82576"), "Größe ☃ 82576"); }

TEST(Printable, ReplacesWhatSteersATerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\td\x7f"), "a?[2Jb?c?d?");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "?31m");  // CSI as one C1 character
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "evil"),
            "?evil");  // right-to-left override
}

TEST(Printable, ReplacesEachByteThatIsNotUtf8) {
  EXPECT_EQ(Printable("\xff\xfe"), "??");
  EXPECT_EQ(Printable("\xc0\xaf"), "??");       // overlong '/'
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(Printable("ok\xe2\x98"), "ok??");   // cut short
}

TEST(Table, AlignsColumnsByCodePointsAndMarksEmptyCells) {
  Table table({"NAME", "STATE", "REASON"});
  table.Add({"é", "free", ""});
  table.Add({"pci-1", "held", "x"});
  EXPECT_EQ(table.Render(),
            "NAME    STATE   REASON\n"
            "é       free    -\n"
            "pci-1   held    x\n");
}

}  // namespace
}  // namespace drapci::cli
