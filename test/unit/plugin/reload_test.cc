#include "plugin/daemon/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChangedKeysTest, NamesWhatIsOtherNewOrGone) {
  EXPECT_THAT(ChangedKeys("logLevel: info\nnodeName: a\nstandalone: true\n",
                          "logLevel: debug\nnodeName: a\ncdiDir: /run/cdi\n"),
              ElementsAre("cdiDir", "logLevel", "standalone"));
}

TEST(ChangedKeysTest, TakesCommentsOrderAndPlaceForNoChange) {
  EXPECT_THAT(ChangedKeys("a: 1\nb: {x: 1, y: 2}\n", "# told\nb:\n  y: 2\n  x: 1\n\na: 1\n"),
              IsEmpty());
}

TEST(ChangedKeysTest, KnowsThatTheFirstRuleWins) {
  EXPECT_THAT(ChangedKeys("accelerators: [{match: {}}, {match: {class: 0x02}}]\n",
                          "accelerators: [{match: {class: 0x02}}, {match: {}}]\n"),
              ElementsAre("accelerators"));
}

TEST(ChangedKeysTest, FindsAllOfAFileThatWasEmpty) {
  EXPECT_THAT(ChangedKeys("", "logLevel: info\n"), ElementsAre("logLevel"));
  EXPECT_THAT(ChangedKeys("", "## nothing\n"), IsEmpty());
}

}  // namespace
}  // namespace drapci::plugin
