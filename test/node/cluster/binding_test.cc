// Binding conditions: prepared when the scheduler has allocated, before the kubelet asks (contract
// section 5.2).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

class Binding : public ClusterNode {
 protected:
  Binding()
      : ClusterNode("accelerators:\n- match: {}\n  bindingConditions: true\n",
                    "watchClaims: true") {}
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Settled());
  }
  bool Holds(const ClaimObject& claim) {
    return node_.ClaimState(claim.name).value_or("") == "prepared";
  }
};

TEST_F(Binding, ConditionsArePublished) {
  const auto vf = api_.Device(card() + "-vf0");
  ASSERT_TRUE(vf);
  EXPECT_EQ(vf->at("bindsToNode"), true);
  EXPECT_EQ(vf->at("bindingConditions"), Json::array({"dra.pci/Prepared"}));
  EXPECT_EQ(vf->at("bindingFailureConditions"), Json::array({"dra.pci/PrepareFailed"}));
}

TEST_F(Binding, PreparesBeforeTheKubeletAsksAndSaysSo) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_TRUE(
      Soon([this] { return Condition("c", "dra.pci/Prepared").value("status", "") == "True"; }));
  EXPECT_TRUE(Holds(claim));
  api_.Reset();
  EXPECT_EQ(Prepare(claim).error, "");
  EXPECT_EQ(api_.Calls("get resourceclaims"), 0);
  EXPECT_EQ(Unprepare(claim), "");
}

TEST_F(Binding, AFailureGivesTheDeviceBackToTheScheduler) {
  Inject({"fault", "*sriov_numvfs", "EIO", "--op", "write", "--count", "-1"});
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_TRUE(Soon(
      [this] { return Condition("c", "dra.pci/PrepareFailed").value("status", "") == "True"; }));
  EXPECT_FALSE(Holds(claim));
  Inject({"clear"});
  ASSERT_TRUE(api_.DeleteClaim("c"));
}

TEST_F(Binding, WhatTheSchedulerTakesBackIsReleased) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_TRUE(Soon([&] { return Holds(claim); }));
  ASSERT_TRUE(api_.Post("/deallocate", {{"namespace", "default"}, {"name", "c"}}));
  EXPECT_TRUE(Soon([&] { return node_.ClaimState(claim.name).value_or("?").empty(); }));
}

}  // namespace
}  // namespace drapci::test
