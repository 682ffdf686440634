// Claims that the kubelet has forgotten (contract section 10.2, case 18).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

class Collector : public ClusterNode {
 protected:
  Collector() : ClusterNode("", "collectAfter: 1s") {}
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Settled());
  }
  bool Held() { return !node_.ClaimState("c").value_or("").empty(); }
  bool Told(const std::string& reason) {
    const auto events = api_.Get("/apis/events.k8s.io/v1/namespaces/default/events");
    if (!events) return false;
    for (const Json& event : events->at("items")) {
      if (event.value("reason", "") == reason) return true;
    }
    return false;
  }
};

TEST_F(Collector, ReleasesAClaimThatIsGoneFromTheServerAndSaysSo) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  ASSERT_TRUE(api_.DeleteClaim("c"));
  EXPECT_TRUE(Soon([this] { return !Held(); }));
  EXPECT_TRUE(Soon([this] { return Told("ClaimReleased"); }));
  EXPECT_TRUE(DaemonLog().contains("the kubelet has not released it"));
  EXPECT_EQ(Unprepare(claim), "") << "the kubelet remembers after all";
}

TEST_F(Collector, KeepsEverythingWhileTheServerIsAwayOrFails) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  api_.Fault({{"match", {{"method", "GET"}, {"pathPrefix", "/apis/resource.k8s.io/v1/namespaces"}}},
              {"count", -1},
              {"status", 503}});
  ASSERT_TRUE(api_.DeleteClaim("c"));
  const auto asked = [this] { return api_.Calls("get resourceclaims"); };
  const int before = asked();
  ASSERT_TRUE(Soon([&] { return asked() >= before + 3; }));
  EXPECT_TRUE(Held());
  api_.Stop();
  EXPECT_FALSE(Soon([this] { return !Held(); }, std::chrono::seconds(3)));
  ASSERT_TRUE(api_.Start());  // without faults
  EXPECT_TRUE(Soon([this] { return !Held(); }, std::chrono::seconds(40)));
  EXPECT_EQ(Unprepare(claim), "");
}

}  // namespace
}  // namespace drapci::test
