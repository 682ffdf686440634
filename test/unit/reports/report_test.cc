#include "plugin/health/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/reports/healths.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::health {
namespace {

using driver::HealthState;
using driver::Severity;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const hal::WallTime kNow{std::chrono::hours(480'000)};

class ReportTest : public testing::Test {
 protected:
  HealthReport Make(hal::WallTime now = kNow) const {
    driver::Snapshot snapshot;
    snapshot.accelerators = cards_;
    return MakeHealthReport(snapshot, newest_, "node-1", now);
  }
  DeviceHealth First(hal::WallTime now = kNow) const { return Make(now).devices.at(0); }

  std::vector<driver::AcceleratorView> cards_{slices::SriovCard(2, 2)};
  std::map<std::string, driver::Health> newest_;
};

TEST_F(ReportTest, ListsCardAndPartsByThePoolsAndNamesThatArePublished) {
  cards_.push_back(slices::PlainCard(3));
  const HealthReport report = Make();
  ASSERT_THAT(report.devices, SizeIs(4));
  EXPECT_EQ(report.devices[0].pool, "node-1/pci-0000-02-00-0");
  EXPECT_EQ(report.devices[0].device, "pci-0000-02-00-0");
  EXPECT_EQ(report.devices[2].device, "pci-0000-02-00-0-vf1");
  EXPECT_EQ(report.devices[3].pool, "node-1");
}

TEST_F(ReportTest, GivesPartsTheConditionOfTheirCard) {
  cards_[0].health = Sick(kNow, Severity::kNoExecute, "PcieFatalError", "2 fatal errors");
  for (const DeviceHealth& device : Make().devices) {
    EXPECT_EQ(device.state, HealthState::kUnhealthy);
    EXPECT_EQ(device.message, "PcieFatalError: 2 fatal errors");
    EXPECT_EQ(device.measured, 480'000LL * 3600);
  }
}

TEST_F(ReportTest, SaysNothingOfAHealthyCardAndTheNoteOfOneThatHasOne) {
  cards_[0].health = Healthy(kNow);
  EXPECT_EQ(First().state, HealthState::kHealthy);
  EXPECT_EQ(First().message, "");
  cards_[0].health = Sick(kNow, Severity::kNote, "LinkNarrow", "x8 of x16");
  EXPECT_EQ(First().state, HealthState::kHealthy);
  EXPECT_EQ(First().message, "LinkNarrow: x8 of x16");
}

TEST_F(ReportTest, SaysThatNothingWasMeasuredYet) {
  EXPECT_EQ(First().state, HealthState::kUnknown);
  EXPECT_EQ(First().message, "NotMeasured: nothing was measured yet");
  EXPECT_EQ(First().measured, 0);
}

TEST_F(ReportTest, TakesTheNewestMeasurementsTimeAndNotTheSnapshots) {
  cards_[0].health = Healthy(kNow - seconds(40));
  EXPECT_EQ(First().state, HealthState::kUnknown);
  newest_[cards_[0].name] = Healthy(kNow - seconds(1));
  EXPECT_EQ(First().state, HealthState::kHealthy);
}

TEST_F(ReportTest, KnowsNothingOfWhatWasNotMeasuredWithinItsTime) {
  cards_[0].health = Sick(kNow, Severity::kNoSchedule, "TooHot", "97 degrees");
  const HealthReport report = Make();
  EXPECT_EQ(report.lapses, kNow + seconds(30));
  EXPECT_EQ(First(kNow + seconds(30)).state, HealthState::kUnhealthy);
  const DeviceHealth late = First(kNow + seconds(31));
  EXPECT_EQ(late.state, HealthState::kUnknown);
  EXPECT_EQ(late.message,
            "NotMeasured: nothing was measured for more than 30 s; before that: TooHot, 97 "
            "degrees");
  EXPECT_EQ(Make(kNow + seconds(31)).lapses, std::nullopt);
  EXPECT_TRUE(Make(kNow + seconds(31)).Says(Make(kNow + seconds(99))));
}

TEST_F(ReportTest, DoesNotTrustAMeasurementFromTheFuture) {
  cards_[0].health = Healthy(kNow + std::chrono::hours(1));
  EXPECT_EQ(First().state, HealthState::kUnknown);
}

TEST_F(ReportTest, KnowsThatACardIsGoneWithoutMeasuringIt) {
  cards_[0].health = Healthy(kNow - std::chrono::hours(1));
  cards_[0].gone = true;
  EXPECT_EQ(First().state, HealthState::kUnhealthy);
  EXPECT_THAT(First().message, HasSubstr("Gone"));
  EXPECT_EQ(First().measured, 480'000LL * 3600);
}

TEST_F(ReportTest, HasATimeoutForEachDeviceAndIsToldAgainInHalfTheShortest) {
  cards_.push_back(slices::PlainCard(3));
  cards_[0].health = Healthy(kNow);
  cards_[0].health.valid_for = seconds(90);
  cards_[1].health = Healthy(kNow);
  cards_[1].health.valid_for = seconds(8);
  const HealthReport report = Make();
  EXPECT_EQ(report.devices.front().timeout, seconds(90));
  EXPECT_EQ(report.devices.back().timeout, seconds(8));
  EXPECT_EQ(report.Period(), seconds(4));
  cards_[1].health.valid_for = seconds(0);  // would mean the kubelet's default
  EXPECT_EQ(Make().devices.back().timeout, seconds(1));
}

TEST_F(ReportTest, CutsMessagesAt1024BytesOfPlainText) {
  cards_[0].health =
      Sick(kNow, Severity::kNoSchedule, "Odd", "\xff\xfe\n" + std::string(5000, 'x'));
  const std::string message = First().message;
  EXPECT_THAT(message, SizeIs(1024));
  EXPECT_EQ(message.substr(0, 8), "Odd: ?? ");
}

TEST_F(ReportTest, TellsOfASharedDeviceOnceHoweverManySharesThereAre) {
  cards_ = {slices::SharedCard(2, 4)};
  cards_[0].devices[0].shared_by = {"claim-1", "claim-2"};
  EXPECT_THAT(Make().devices, SizeIs(1));
}

TEST_F(ReportTest, IsEmptyWithoutCards) {
  cards_.clear();
  EXPECT_THAT(Make().devices, IsEmpty());
  EXPECT_EQ(Make().Period(), seconds(15));
}

}  // namespace
}  // namespace drapci::plugin::health
