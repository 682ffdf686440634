// ResourceSlices on a real API server (contract section 10.3), from a real daemon.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class Slices : public ClusterNode {};

TEST_F(Slices, AppearWithTheCardsVfsAndItsCounters) {
  StartDaemon();
  ASSERT_TRUE(Published());
  const auto slices = api_.Slices();
  ASSERT_THAT(slices, SizeIs(2));
  const Json& counters = slices.at(0).at("spec").at("sharedCounters").at(0);
  EXPECT_EQ(counters.at("counters").at("vfs").at("value"), "8");
  const auto vf = api_.Device(card() + "-vf0");
  ASSERT_TRUE(vf);
  EXPECT_EQ(vf->at("attributes").at("type").at("string"), "vf");
  EXPECT_EQ(vf->at("consumesCounters").at(0).at("counters").at("vfs").at("value"), "1");
  const auto whole = api_.Device(card());
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->at("attributes").at("resource.kubernetes.io/pciBusID").at("string"),
            "0000:02:00.0");
}

TEST_F(Slices, AreLeftAloneByAQuickRestartAndByPrepares) {
  StartDaemon();
  ASSERT_TRUE(Published());
  const auto before = api_.Slices();
  api_.Reset();
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  RestartDaemon();
  ASSERT_EQ(Unprepare(claim), "");
  // The restarted daemon has looked: its watch is open.
  ASSERT_TRUE(Soon([this] { return api_.Calls("watch resourceslices") >= 1; }));
  EXPECT_EQ(api_.Slices(), before);
  EXPECT_EQ(api_.Calls("create resourceslices") + api_.Calls("update resourceslices") +
                api_.Calls("delete resourceslices"),
            0);
}

TEST_F(Slices, ComeBackWhenTheKubeletHasWipedThem) {
  StartDaemon();
  ASSERT_TRUE(Published());
  ASSERT_TRUE(
      api_.Delete("/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dnode-1"));
  EXPECT_THAT(api_.Slices(), SizeIs(0));
  EXPECT_TRUE(Published());
  EXPECT_THAT(api_.Slices(), SizeIs(2));
}

TEST_F(Slices, AreRepairedWhenSomebodyEditsThem) {
  StartDaemon();
  ASSERT_TRUE(Published());
  Json slice = api_.Slices().at(1);
  const Json right = slice.at("spec").at("devices");
  slice["spec"]["devices"].erase(0);
  ASSERT_TRUE(api_.Put("/apis/resource.k8s.io/v1/resourceslices/" +
                           slice.at("metadata").at("name").get<std::string>(),
                       slice));
  EXPECT_TRUE(Soon([&] { return api_.Slices().at(1).at("spec").at("devices") == right; }));
}

TEST_F(Slices, FollowACardThatIsPulledAndPluggedAgain) {
  StartDaemon();
  ASSERT_TRUE(Published());
  api_.Reset();
  Inject({"unplug", "0000:02:00.0"});
  ASSERT_TRUE(Soon([this] { return !api_.Device(card()); }));
  const int writes_of_removal = api_.Writes();
  api_.Reset();
  Inject({"plug", "0000:02:00.0"});
  ASSERT_TRUE(Soon([this] { return api_.Device(card()).has_value(); }));
  ASSERT_TRUE(Published());
  fmt::print("API writes: pulled {}, plugged {}\n", writes_of_removal, api_.Writes());
}

}  // namespace
}  // namespace drapci::test
