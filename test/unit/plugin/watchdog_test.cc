#include "plugin/daemon/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class WatchdogTest : public testing::Test {
 protected:
  void SetUp() override {
    watchdog_.Watch("prompt", [this](const Watchdog::Answer& answer) {
      ++asked_;
      answer();
    });
    watchdog_.Watch("slow", [this](Watchdog::Answer answer) { late_ = std::move(answer); });
  }
  std::vector<std::string> Look(int second) {
    return watchdog_.Look(hal::MonotonicTime() + seconds(second));
  }
  Watchdog watchdog_{seconds(10)};
  Watchdog::Answer late_;
  int asked_ = 0;
};

TEST_F(WatchdogTest, WaitsAsLongAsItsPatience) {
  EXPECT_THAT(Look(0), IsEmpty());
  EXPECT_THAT(Look(10), IsEmpty());
  EXPECT_THAT(Look(11), ElementsAre("slow"));
}

TEST_F(WatchdogTest, BelievesALoopThatAnswersLate) {
  Look(0);
  EXPECT_THAT(Look(11), ElementsAre("slow"));
  late_();
  EXPECT_THAT(Look(12), IsEmpty());
  EXPECT_THAT(Look(22), IsEmpty());
  EXPECT_THAT(Look(23), ElementsAre("slow"));
}

TEST_F(WatchdogTest, AsksAgainOnlyWhoHasAnswered) {
  Look(0);
  const auto first = std::move(late_);
  late_ = nullptr;
  Look(5);
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(late_, nullptr);
}

TEST(WatchdogLifeTest, TakesAnAnswerThatComesAfterItsEnd) {
  Watchdog::Answer answer;
  {
    Watchdog watchdog{seconds(1)};
    watchdog.Watch("late", [&](Watchdog::Answer given) { answer = std::move(given); });
    watchdog.Look(hal::MonotonicTime());
  }
  answer();
}

}  // namespace
}  // namespace drapci::plugin
