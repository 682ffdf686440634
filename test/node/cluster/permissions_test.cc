// Who may do what (contract sections 8, 9 and 10.6): the recommended credential of the daemon is
// the token of a service account, bound to its node.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Authorizing(const std::string& user) {
  return {"--authorize",
          "--token",
          "admin-token=admin",
          "--token",
          "node-token=" + user,
          "--token",
          "control-token=system:serviceaccount:drapci:control"};
}

class Permissions : public ClusterNode {
 protected:
  Permissions() : ClusterNode("", "", Authorizing("system:serviceaccount:drapci:drapci@node-1")) {}
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Settled());
  }
};

// Contract 10.6 cases 1 and 2.
TEST_F(Permissions, OfATokenBoundToTheNodeSufficeForSlicesAndStatus) {
  EXPECT_TRUE(api_.Device(card() + "-vf0"));
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  EXPECT_TRUE(Soon([this] { return Condition("c", "Ready").value("status", "") == "True"; }));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.6 case 1, 10.3 case 25.
TEST_F(Permissions, DoNotReachSlicesOfAnotherNode) {
  Json slice = api_.Slices().at(0);
  slice["metadata"] = {{"name", "another"}};
  slice["spec"]["nodeName"] = "node-2";
  const auto written = api_.Post("/apis/resource.k8s.io/v1/resourceslices", slice, "node-token");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().what, HasSubstr("403"));
  EXPECT_TRUE(api_.Post("/apis/resource.k8s.io/v1/resourceslices", slice));
}

// Contract 10.6 case 2.
TEST_F(Permissions, DoNotReachTheStatusOfAClaimOnAnotherNode) {
  Json slice = api_.Slices().at(0);
  slice["metadata"] = {{"name", "another"}};
  slice["spec"] = {{"driver", "dra.pci"},
                   {"nodeName", "node-2"},
                   {"pool", {{"name", "far"}, {"generation", 1}, {"resourceSliceCount", 1}}},
                   {"devices", Json::array({{{"name", "nic"}}})}};
  ASSERT_TRUE(api_.Post("/apis/resource.k8s.io/v1/resourceslices", slice));
  auto claim = api_.Allocate("far", Of("nic"), Json::array(), "node-2");
  ASSERT_TRUE(claim) << claim.error().what;
  (*claim)["status"]["devices"] =
      Json::array({{{"driver", "dra.pci"}, {"pool", "far"}, {"device", "nic"}}});
  const std::string path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/far/status";
  const auto written = api_.Put(path, *claim, "node-token");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().what, HasSubstr("403"));
  const ClaimObject object{.uid = claim->at("metadata").at("uid").get<std::string>(),
                           .name = "far"};
  EXPECT_NE(Prepare(object).error, "") << "it is for another node";
}

TEST_F(Permissions, ToWriteAStatusAreNotNeededForAPrepare) {
  ASSERT_TRUE(
      api_.Put("/authorization", {{"enabled", true}, {"denied", {"patch resourceclaims/status"}}}));
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  EXPECT_EQ(Prepare(claim).error, "");
  EXPECT_TRUE(Soon([this] { return DaemonLog().contains("resourceclaims/status"); }));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.6 case 3: drapci has none, but others' may write beside it.
TEST_F(Permissions, OfAControlPlaneReachEveryStatusAndLeaveTheNodesEntryAlone) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  const auto is_true = [this](const std::string& type) {
    return Condition("c", type).value("status", "") == "True";
  };
  ASSERT_TRUE(Soon([&] { return is_true("Ready"); }));
  Json object = *api_.Claim("c");
  object["status"]["devices"][0]["conditions"].push_back(
      {{"type", "Attached"},
       {"status", "True"},
       {"reason", "Attached"},
       {"message", ""},
       {"lastTransitionTime", "2026-11-21T10:00:00Z"}});
  const std::string path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/c/status";
  EXPECT_FALSE(api_.Put(path, object, "control-token"));
  ASSERT_TRUE(
      api_.Put("/authorization",
               {{"enabled", true}, {"arbitraryNode", {"system:serviceaccount:drapci:control"}}}));
  const auto written = api_.Put(path, object, "control-token");
  ASSERT_TRUE(written) << written.error().what;
  EXPECT_TRUE(is_true("Ready"));
  api_.Reset();
  RestartDaemon();
  EXPECT_EQ(Prepare(claim).error, "");
  ASSERT_TRUE(Soon([this] { return api_.Calls("patch resourceclaims/status") >= 1; }));
  EXPECT_TRUE(is_true("Ready"));
  EXPECT_TRUE(is_true("Attached"));
  EXPECT_EQ(Unprepare(claim), "");
}

class WithoutANodeInTheToken : public ClusterNode {
 protected:
  WithoutANodeInTheToken()
      : ClusterNode("", "", Authorizing("system:serviceaccount:drapci:drapci")) {}
};

TEST_F(WithoutANodeInTheToken, NoSliceIsWrittenAndTheReasonIsTold) {
  StartDaemon();
  EXPECT_TRUE(Soon([this] {
    return ShownSlices().value("trouble", "").contains("resourceslices-of-own-node");
  })) << ShownSlices().dump();
  EXPECT_TRUE(api_.Slices().empty());
}

}  // namespace
}  // namespace drapci::test
