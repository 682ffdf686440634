#include "plugin/health/damper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/reports/healths.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::health {
namespace {

using driver::HealthState;
using driver::Severity;
using std::chrono::seconds;

class DamperTest : public testing::Test {
 protected:
  driver::Health Step(const driver::Health& now) { return damper_.Step("card", now, time_); }
  static driver::Health Bad() { return Sick({}, Severity::kNoSchedule, "TooHot", "97 degrees"); }
  static driver::Health Good() { return Healthy({}); }

  Damper damper_;
  hal::MonotonicTime time_{seconds(1000)};
};

TEST_F(DamperTest, TellsAFewChangesAsTheyCome) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Step(Bad()).state, HealthState::kUnhealthy);
    EXPECT_EQ(Step(Good()).state, HealthState::kHealthy);
  }
  EXPECT_EQ(damper_.held_back(), 0U);
  EXPECT_EQ(damper_.Again(), std::nullopt);
}

TEST_F(DamperTest, HoldsTheRecoveriesOfACardThatFlapsBackAndNeverWhatIsGraver) {
  int told = 0;
  HealthState last = HealthState::kUnknown;
  for (int i = 0; i < 600; ++i, time_ += std::chrono::milliseconds(100)) {
    const HealthState now = Step(i % 2 == 0 ? Bad() : Good()).state;
    if (i % 2 == 0) {
      EXPECT_EQ(now, HealthState::kUnhealthy) << i;
    }
    told += now != last ? 1 : 0;
    last = now;
  }
  // Four recoveries at once and four more in this minute, each with its relapse.
  EXPECT_LE(told, 18);
  EXPECT_GE(told, 12);
  EXPECT_GT(damper_.held_back(), 200U);
}

TEST_F(DamperTest, TellsWhatItHasHeldBackWhenItsTimeHasCome) {
  for (int i = 0; i < 5; ++i) {
    Step(Bad());
    Step(Good());
  }
  EXPECT_EQ(Step(Good()).state, HealthState::kUnhealthy);
  const auto again = damper_.Again();
  ASSERT_TRUE(again);
  EXPECT_LE(*again, time_ + seconds(16));
  time_ = *again;
  EXPECT_EQ(Step(Good()).state, HealthState::kHealthy);
  EXPECT_EQ(damper_.Again(), std::nullopt);
}

TEST_F(DamperTest, LetsNoTextThatChangesAllTheTimeThrough) {
  int told = 0;
  std::string last;
  for (int i = 0; i < 100; ++i) {
    driver::Health health = Bad();
    health.message = std::to_string(i) + " errors";
    const std::string now = Step(health).message;
    told += now != last ? 1 : 0;
    last = now;
  }
  EXPECT_EQ(told, 5);
}

TEST_F(DamperTest, CopiesASnapshotOnlyToHoldSomethingBack) {
  auto snapshot = std::make_shared<driver::Snapshot>();
  snapshot->accelerators = {slices::PlainCard(1), slices::PlainCard(2)};
  EXPECT_EQ(damper_.Step(snapshot, time_), snapshot);
  std::shared_ptr<const driver::Snapshot> told;
  for (int i = 0; i < 12; ++i) {
    auto next = std::make_shared<driver::Snapshot>(*snapshot);
    next->accelerators[0].health = i % 2 == 0 ? Bad() : Good();
    told = damper_.Step(next, time_);
    if (told == next) continue;
    EXPECT_EQ(told->accelerators[0].health.state, HealthState::kUnhealthy);
    EXPECT_EQ(told->accelerators[1].health.state, HealthState::kUnknown);
  }
  EXPECT_GT(damper_.held_back(), 0U);
  snapshot->accelerators.clear();  // its cards are forgotten
  damper_.Step(snapshot, time_);
  EXPECT_EQ(damper_.Again(), std::nullopt);
}

}  // namespace
}  // namespace drapci::plugin::health
