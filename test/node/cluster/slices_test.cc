// ResourceSlices on a real API server (contract section 10.3), from a real daemon.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class Slices : public ClusterNode {
 protected:
  // As the kubelet does when it starts, and some time after it has lost its driver.
  Result<> Wipe() const {
    return api_.Delete(
        "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dnode-1");
  }
  // What is published, whatever the slices are called.
  std::vector<Json> Devices() const {
    std::vector<Json> contents;
    for (const Json& slice : api_.Slices()) {
      contents.push_back(slice.at("spec").value(
          "devices", slice.at("spec").value("sharedCounters", Json::array())));
    }
    return contents;
  }
};

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

// Contract 10.3 case 21.
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

// Contract 10.3 case 18.
TEST_F(Slices, ComeBackWhenTheKubeletHasWipedThem) {
  StartDaemon();
  ASSERT_TRUE(Published());
  ASSERT_TRUE(Wipe());
  EXPECT_TRUE(Published());
  EXPECT_THAT(api_.Slices(), SizeIs(2));
}

// Contract 10.3 case 19: thirty seconds after the daemon's last connection the kubelet wipes.
TEST_F(Slices, ComeBackWhenTheyWereWipedWhileTheDaemonWasStopped) {
  StartDaemon();
  ASSERT_TRUE(Published());
  const auto before = Devices();
  StopDaemon();
  EXPECT_THAT(api_.Slices(), SizeIs(2)) << "a restart would cost writes";
  ASSERT_TRUE(Wipe());
  StartDaemon();
  EXPECT_TRUE(Published());
  EXPECT_EQ(Devices(), before);
}

// Contract 10.3 case 20: the kubelet wipes, too, when the sockets are there and nobody answers.
TEST_F(Slices, ComeBackWhenTheyWereWipedWhileTheDaemonDidNotAnswer) {
  StartDaemon();
  ASSERT_TRUE(Published());
  const auto before = Devices();
  ASSERT_EQ(::kill(node_.pid(), SIGSTOP), 0);
  KubeletClient<V1> kubelet(Dial(ServiceSocket(scratch_.kubelet_root)));
  V1::PrepareResponse prepared;
  EXPECT_EQ(kubelet.Prepare({}, prepared, std::chrono::milliseconds(300)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Wipe());
  EXPECT_THAT(api_.Slices(), SizeIs(0));
  ASSERT_EQ(::kill(node_.pid(), SIGCONT), 0);
  EXPECT_TRUE(Published());
  EXPECT_EQ(Devices(), before);
  EXPECT_TRUE(kubelet.Prepare({}, prepared).ok());
}

// Contract 10.3 case 22.
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
