#include "plugin/slices/publisher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "test/unit/slices/publisher_fixture.h"

namespace drapci::plugin::slices {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PublisherTest : public PublisherFixture {
 protected:
  void EightCards() {
    for (int bus = 1; bus <= 8; ++bus) cards_.push_back(SriovCard(bus, 8));
  }
};

TEST_F(PublisherTest, CountsTheWritesOfEachEvent) {
  EightCards();
  Start();
  Settle();
  const size_t start = Writes();
  EXPECT_EQ(start, 16U);  // counters and devices of each
  EXPECT_EQ(server_.devices(), 72U);

  auto& vf = DeviceOf(cards_[3], "vf2");
  vf.held_by = "claim-1";
  vf.unusable = "it does not answer";
  publisher_->Changed();
  Settle();
  const size_t taint = Writes();
  EXPECT_EQ(taint, 1U);

  cards_.push_back(SriovCard(9, 8));
  publisher_->Changed();
  Settle();
  const size_t hotplug = Writes();
  EXPECT_EQ(hotplug, 2U);

  cards_.pop_back();
  publisher_->Changed();
  Settle();
  const size_t unplug = Writes();
  EXPECT_EQ(unplug, 2U);

  Restart();
  Settle();
  const size_t quick_restart = Writes();
  EXPECT_EQ(quick_restart, 0U);

  server_.Restart();
  Pass(seconds(120));
  const size_t server_restart = Writes();
  EXPECT_EQ(server_restart, 0U);

  const size_t calls = server_.api.calls.size();
  Pass(hours(1));
  const size_t idle = Writes();
  EXPECT_EQ(idle, 0U);
  const size_t idle_calls = server_.api.calls.size() - calls;
  EXPECT_LE(idle_calls, 1U);

  size_t bytes = 0;
  for (const std::string& slice : publisher_->Slices()) bytes += slice.size();
  fmt::print(
      "writes: start-up of 8 cards {}, one taint {}, one hotplug {}, one unplug {}, quick "
      "restart {}, API server restart {}, an hour of idle {} (and {} other calls); {} bytes "
      "in {} slices\n",
      start, taint, hotplug, unplug, quick_restart, server_restart, idle, idle_calls, bytes,
      server_.Stored().size());
  EXPECT_EQ(publisher_->trouble(), "");
}

TEST_F(PublisherTest, CreatesSlicesOwnedByTheNodeAsSoonAsItHasListed) {
  cards_ = {PlainCard(1)};
  Start();
  Pass(milliseconds(1));
  ASSERT_EQ(server_.Stored().size(), 1U);
  EXPECT_THAT(server_.Stored()[0].metadata, HasSubstr("node-uid"));
  EXPECT_EQ(server_.Stored()[0].generation, 1);
  EXPECT_EQ(counts().creates, 1U);
  EXPECT_EQ(counts().reads, 3U);  // list, node, version
  EXPECT_EQ(publisher_->trouble(), "");
}

TEST_F(PublisherTest, GoesOnWithoutAnOwnerWhereThereIsNoNode) {
  server_.node_uid.clear();
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  ASSERT_EQ(server_.Stored().size(), 1U);
  EXPECT_THAT(server_.Stored()[0].metadata, Not(HasSubstr("ownerReferences")));
}

TEST_F(PublisherTest, WritesNothingWhenNothingHasChanged) {
  EightCards();
  Start();
  Settle();
  Writes();
  for (int i = 0; i < 10; ++i) {
    publisher_->Changed();
    Settle();
  }
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherTest, WritesNothingForAPrepare) {
  EightCards();
  Start();
  Settle();
  Writes();
  Hold(cards_[0], "vf3");
  Hold(cards_[1], "");
  publisher_->Changed();
  Settle();
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherTest, ActsAtOnceOnTheFirstChangeAndGathersThoseThatFollow) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  Pass(milliseconds(21));
  EXPECT_EQ(Writes(), 1U);
  for (int bus = 3; bus < 13; ++bus) {
    cards_.push_back(PlainCard(bus));
    publisher_->Changed();
    Pass(milliseconds(10));
  }
  EXPECT_EQ(Writes(), 0U);
  Pass(milliseconds(200));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.devices(), 12U);
}

TEST_F(PublisherTest, RemovesThePoolOfACardThatIsGone) {
  cards_ = {SriovCard(1, 2), SriovCard(2, 2)};
  Start();
  Settle();
  cards_.pop_back();
  publisher_->Changed();
  Settle();
  EXPECT_EQ(server_.Stored().size(), 2U);
  EXPECT_EQ(counts().deletes, 2U);
}

// Contract 10.3 case 22.
TEST_F(PublisherTest, RepairsWhatSomebodyEditsByHand) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  server_.Edit(server_.Stored()[0].name,
               [](nlohmann::json& slice) { slice["spec"]["devices"] = nlohmann::json::array(); });
  Pass(milliseconds(1'900));
  EXPECT_EQ(Writes(), 0U);
  Pass(milliseconds(1'200));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.devices(), 1U);
}

TEST_F(PublisherTest, LeavesLabelsThatSomebodyAddsAlone) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  server_.Edit(server_.Stored()[0].name,
               [](nlohmann::json& slice) { slice["metadata"]["labels"] = {{"seen", "yes"}}; });
  Settle();
  EXPECT_EQ(Writes(), 0U);
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  Settle();
  EXPECT_EQ(Writes(), 1U);
  EXPECT_THAT(server_.Stored()[0].metadata, HasSubstr("seen"));
}

// Contract 10.3 case 22.
TEST_F(PublisherTest, RepairsADeletionByHand) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  server_.Delete(server_.Stored()[0].name);
  Pass(milliseconds(1'900));
  EXPECT_EQ(Writes(), 0U);
  Pass(milliseconds(1'200));
  EXPECT_EQ(Writes(), 1U);
}

// Contract 10.3 case 18.
TEST_F(PublisherTest, WaitsForTheEndOfAWipeAndWritesEverySliceOnce) {
  EightCards();
  Start();
  Settle();
  Writes();
  while (!server_.Stored().empty()) {
    server_.Delete(server_.Stored()[0].name);
    publisher_->Changed();
    Pass(milliseconds(500));
    EXPECT_EQ(Writes(), 0U);
  }
  Settle();
  EXPECT_EQ(Writes(), 16U);
  Settle();
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherTest, AnswersWhoKeepsDeletingLessAndLessOften) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  size_t repairs = 0;
  for (int second = 0; second < 600; ++second) {
    if (!server_.Stored().empty()) server_.DeleteAll();
    Pass(seconds(1));
    repairs += Writes();
  }
  EXPECT_GE(repairs, 8U);
  EXPECT_LE(repairs, 16U);
}

TEST_F(PublisherTest, RemovesASecondSliceOfTheSameIndexAndSlicesOfAnotherDriverVersion) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  nlohmann::json copy =
      nlohmann::json::parse(EncodeSlice({.driver_name = "dra.pci", .node_name = "node1"}, "node1",
                                        1, 1, 0, server_.Stored()[0].content, nullptr));
  copy["metadata"]["name"] = "00000-zzz";
  server_.Add(copy);
  copy["metadata"]["name"] = "node1-dra.pci-abcde";
  server_.Add(copy);
  Settle();
  EXPECT_EQ(server_.Stored().size(), 1U);
}

TEST_F(PublisherTest, NeverTouchesSlicesOfOthers) {
  nlohmann::json other = nlohmann::json::parse(
      EncodeSlice({.driver_name = "dra.pci", .node_name = "node2"}, "node2", 1, 1, 0, {}, nullptr));
  other["metadata"]["name"] = "00000-other-node";
  server_.Add(other);
  other["spec"]["nodeName"] = "node1";
  other["spec"]["driver"] = "gpu.example.com";
  other["metadata"]["name"] = "00000-other-driver";
  server_.Add(other);
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  EXPECT_EQ(server_.Stored().size(), 3U);
}

// Contract 10.3 case 14: such pools are a control plane's, be it one of the same driver.
TEST_F(PublisherTest, NeverTouchesSlicesOfNetworkDevicesForAllOrSomeNodes) {
  nlohmann::json network = nlohmann::json::parse(
      EncodeSlice({.driver_name = "dra.pci", .node_name = "node1"}, "node1", 7, 1, 0, {}, nullptr));
  network["spec"].erase("nodeName");
  network["spec"]["allNodes"] = true;
  network["metadata"]["name"] = "00000-for-all-nodes";
  server_.Add(network);
  network["spec"].erase("allNodes");
  network["spec"]["nodeSelector"]["nodeSelectorTerms"] = nlohmann::json::parse(
      R"([{"matchExpressions":[{"key":"rack","operator":"In","values":["1"]}]}])");
  network["metadata"]["name"] = "00000-for-some-nodes";
  server_.Add(network);
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.Stored().size(), 3U);
}

TEST_F(PublisherTest, MakesNoDuplicatesWhileTheWatchLags) {
  cards_ = {SriovCard(1, 4)};
  server_.watches_lag = true;
  Start();
  Settle();
  EXPECT_EQ(Writes(), 2U);
  for (int i = 0; i < 5; ++i) {
    DeviceOf(cards_[0], "vf0").held_by = "claim-1";
    DeviceOf(cards_[0], "vf0").unusable = i % 2 == 0 ? "broken" : "";
    publisher_->Changed();
    Settle();
  }
  EXPECT_EQ(Writes(), 5U);
  server_.watches_lag = false;
  server_.Flush();
  Settle();
  EXPECT_EQ(Writes(), 0U);
  EXPECT_EQ(server_.Stored().size(), 2U);
}

TEST_F(PublisherTest, AsksForAWriteThatNoWatchEverTellsOf) {
  cards_ = {PlainCard(1)};
  server_.watches_lag = true;
  Start();
  Settle();
  server_.DeleteAll();  // and nobody tells
  Pass(seconds(70));
  EXPECT_EQ(server_.Stored().size(), 1U);
}

TEST_F(PublisherTest, ShowsWhatIsStoredAndBeforeThatWhatWouldBe) {
  cards_ = {PlainCard(1)};
  server_.away = true;
  Start();
  Pass(seconds(1));
  ASSERT_THAT(publisher_->Slices(), SizeIs(1));
  EXPECT_THAT(publisher_->Slices()[0], HasSubstr("generateName"));
  EXPECT_NE(publisher_->trouble(), "");
  server_.away = false;
  Pass(seconds(60));
  ASSERT_THAT(publisher_->Slices(), SizeIs(1));
  EXPECT_THAT(publisher_->Slices()[0], HasSubstr("resourceVersion"));
}

}  // namespace
}  // namespace drapci::plugin::slices
