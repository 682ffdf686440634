// What is published on servers that do not keep everything.
#include <gmock/gmock.h>

#include "test/unit/slices/publisher_fixture.h"

namespace drapci::plugin::slices {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PublisherGatesTest : public PublisherFixture {
 protected:
  void Break(driver::AcceleratorView& card) {
    card.devices[0].held_by = "claim-1";
    card.devices[0].unusable = "broken";
  }
};

TEST_F(PublisherGatesTest, PartitionableFieldsDroppedPublishesTheWholeOnly) {
  server_.gates.partitionable = false;
  cards_ = {SriovCard(1, 4), SriovCard(2, 4)};
  bool parts_offered = false;
  server_.fault = [&](const kube::ApiRequest& request) -> std::optional<kube::ApiResult> {
    parts_offered |= request.body.contains("-vf0");
    return std::nullopt;
  };
  Start();
  Settle();
  EXPECT_FALSE(parts_offered);  // not even for a moment
  EXPECT_EQ(server_.devices(), 2U);
  EXPECT_THAT(publisher_->dropped(), ElementsAre(HasSubstr("DRAPartitionableDevices is off")));
  EXPECT_EQ(Writes(), 3U);  // the counters that were dropped, then one slice for each card
  Pass(hours(3));
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherGatesTest, AQuickRestartWritesNothingOnSuchAServer) {
  server_.gates = {.partitionable = false, .consumable = false, .taints = false, .binding = false};
  cards_ = {SriovCard(1, 4), PlainCard(2), SharedCard(3, 4)};
  cards_[1].policy.binding_conditions = true;
  Start();
  Settle();
  Writes();
  Restart();
  Settle();
  EXPECT_EQ(Writes(), 0U);
  EXPECT_EQ(server_.devices(), 2U);
}

TEST_F(PublisherGatesTest, ConsumableFieldsDroppedPublishesNoShares) {
  server_.gates.consumable = false;
  cards_ = {PlainCard(1), SharedCard(2, 4)};
  Start();
  Settle();
  EXPECT_EQ(server_.devices(), 1U);
  EXPECT_THAT(publisher_->dropped(), ElementsAre(HasSubstr("DRAConsumableCapacity is off")));
  Writes();
  Pass(hours(3));
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherGatesTest, TaintsDroppedAreToldOnceWithoutAWriteLoop) {
  server_.gates.taints = false;
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Break(cards_[0]);
  publisher_->Changed();
  Pass(hours(3));
  EXPECT_LE(Writes(), 2U);
  EXPECT_EQ(server_.devices(), 1U);
  EXPECT_THAT(publisher_->dropped(), ElementsAre(HasSubstr("DRADeviceTaints is off")));
}

TEST_F(PublisherGatesTest, BindingFieldsDroppedAreToldOnceWithoutAWriteLoop) {
  server_.gates.binding = false;
  cards_ = {PlainCard(1)};
  cards_[0].policy.binding_conditions = true;
  Start();
  Pass(hours(3));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_THAT(publisher_->dropped(), ElementsAre(HasSubstr("DRADeviceBindingConditions is off")));
}

TEST_F(PublisherGatesTest, Kubernetes134GetsNoCountersAtAll) {
  server_.minor = "34+";
  bool counters_sent = false;
  server_.fault = [&](const kube::ApiRequest& request) -> std::optional<kube::ApiResult> {
    counters_sent |= request.body.contains("sharedCounters");
    return std::nullopt;
  };
  cards_ = {SriovCard(1, 4)};
  Start();
  Settle();
  EXPECT_FALSE(counters_sent);
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.devices(), 1U);
  EXPECT_THAT(publisher_->dropped(), ElementsAre(HasSubstr("before 1.35")));
}

TEST_F(PublisherGatesTest, FindsAGateThatWasOpenedWithinTheHour) {
  server_.gates.partitionable = false;
  cards_ = {SriovCard(1, 4)};
  Start();
  Settle();
  Pass(hours(5));
  EXPECT_EQ(server_.devices(), 1U);
  server_.gates.partitionable = true;
  Pass(hours(1) + std::chrono::minutes(10));
  EXPECT_EQ(server_.devices(), 5U);
  EXPECT_THAT(publisher_->dropped(), IsEmpty());
}

TEST_F(PublisherGatesTest, FindsAtOnceThatTheServerIsANewerOne) {
  server_.minor = "34";
  cards_ = {SriovCard(1, 4)};
  Start();
  Settle();
  EXPECT_EQ(server_.devices(), 1U);
  server_.minor = "36";
  server_.Restart();
  Pass(std::chrono::minutes(2));
  EXPECT_EQ(server_.devices(), 5U);
  EXPECT_THAT(publisher_->dropped(), IsEmpty());
}

}  // namespace
}  // namespace drapci::plugin::slices
