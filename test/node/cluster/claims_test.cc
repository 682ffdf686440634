// Claims by the API server (contract section 10.2), from the scheduler's allocation to the
// kubelet's answer.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ClusterClaims : public ClusterNode {
 protected:
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Published());
  }
  std::string Ready(const std::string& name) {
    return Condition(name, "Ready").value("status", "");
  }
};

class ServerAway : public ClusterClaims {};

// Contract 10.2 case 7: nobody has reserved it yet, and the call names no container.
TEST_F(ClusterClaims, AnAllocatedVfIsPreparedAndItsStatusSaysWhatItIs) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  const Answer answer = Prepare(claim);
  ASSERT_EQ(answer.error, "");
  EXPECT_THAT(answer.cdi_ids, Contains(fmt::format("dra.pci/claim={}-vf0-{}", card(), claim.uid)));
  const auto& device = answer.response.claims().at(claim.uid).devices(0);
  EXPECT_EQ(device.pool_name(), "node-1/" + card());
  EXPECT_EQ(device.device_name(), card() + "-vf0");
  EXPECT_TRUE(Soon([&] { return Ready("c") == "True"; }));
  const Json status = api_.Claim("c")->at("status").at("devices").at(0);
  EXPECT_EQ(status.at("data").at("pciAddress"), "0000:02:10.0");
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 case 8.
TEST_F(ClusterClaims, AClaimWithoutAnAllocationIsRefused) {
  const auto made = api_.Post(
      "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
      {{"apiVersion", "resource.k8s.io/v1"},
       {"kind", "ResourceClaim"},
       {"metadata", {{"name", "idle"}}},
       {"spec",
        {{"devices",
          {{"requests",
            Json::array({{{"name", "r"}, {"exactly", {{"deviceClassName", "vf.dra.pci"}}}}})}}}}}});
  ASSERT_TRUE(made) << made.error().what;
  const ClaimObject claim{.uid = made->at("metadata").at("uid").get<std::string>(), .name = "idle"};
  EXPECT_THAT(Prepare(claim).error, HasSubstr("no devices have been allocated to the claim yet"));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 cases 9 and 19.
TEST_F(ClusterClaims, AClaimThatGotReplacedIsRefusedUntilTheOldOneIsGone) {
  const ClaimObject old = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(old).error, "");
  ASSERT_TRUE(api_.DeleteClaim("c"));
  const ClaimObject fresh = Allocated("c", Of(card() + "-vf0"));
  ASSERT_NE(fresh.uid, old.uid);
  EXPECT_THAT(Prepare(fresh).error, HasSubstr("is held by claim " + old.uid));
  ClaimObject stale = old;
  stale.uid = "11111111-2222-4333-8444-555555555555";
  EXPECT_THAT(Prepare(stale).error, HasSubstr("got replaced"));
  EXPECT_EQ(Unprepare(old), "");
  EXPECT_EQ(Prepare(fresh).error, "");
  EXPECT_EQ(Unprepare(fresh), "");
}

// Contract 10.2 case 5.
TEST_F(ClusterClaims, AClaimWhoseObjectIsGoneIsUnpreparedAllTheSame) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  ASSERT_TRUE(api_.DeleteClaim("c"));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 case 13.
TEST_F(ClusterClaims, AdminAccessLooksOnWhileAnotherHoldsTheDevice) {
  const ClaimObject holder = Allocated("holder", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(holder).error, "");
  Json request = Of(card() + "-vf0");
  request[0]["adminAccess"] = true;
  const ClaimObject admin = Allocated("admin", request);
  const Answer answer = Prepare(admin);
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(Unprepare(admin), "");
  EXPECT_EQ(Prepare(holder).error, "");
  EXPECT_EQ(Unprepare(holder), "");
}

// Contract 10.2 case 10.
TEST_F(ClusterClaims, ConfigurationOfTheClassAndTheClaimReachesTheRightDevices) {
  const Json requests =
      Json::array({{{"name", "plain"}, {"driver", "dra.pci"}, {"device", card() + "-vf0"}},
                   {{"name", "passed"}, {"driver", "dra.pci"}, {"device", card() + "-vf1"}}});
  const Json config = Json::array({{{"source", "FromClass"},
                                    {"requests", {"passed"}},
                                    {"opaque",
                                     {{"driver", "dra.pci"},
                                      {"parameters",
                                       {{"apiVersion", "config.dra.pci/v1alpha1"},
                                        {"kind", "AccessConfig"},
                                        {"driver", "vfio"}}}}}}});
  const ClaimObject claim = Allocated("two", requests, config);
  ASSERT_EQ(Prepare(claim).error, "");
  EXPECT_EQ(ReadHardware().at("0000:02:10.0 driver"), "igbvf");
  EXPECT_EQ(ReadHardware().at("0000:02:10.2 driver"), "vfio-pci");
  EXPECT_EQ(Unprepare(claim), "");
}

TEST_F(ClusterClaims, AClaimMayNotAskForWhatOnlyAClassMay) {
  const Json config = Json::array({{{"source", "FromClaim"},
                                    {"opaque",
                                     {{"driver", "dra.pci"},
                                      {"parameters",
                                       {{"apiVersion", "config.dra.pci/v1alpha1"},
                                        {"kind", "AccessConfig"},
                                        {"driver", "vfio"}}}}}}});
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"), config);
  EXPECT_THAT(Prepare(claim).error, HasSubstr("it has to be set in the DeviceClass"));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 case 14: counters.
TEST_F(ClusterClaims, AllVfsAllocatedFreedAndAllocatedAgain) {
  for (int round = 0; round < 2; ++round) {
    std::vector<ClaimObject> claims;
    for (int i = 0; i < 8; ++i) {
      claims.push_back(Allocated(
          fmt::format("c{}-{}", round, i),
          Json::array({{{"name", "r"}, {"driver", "dra.pci"}, {"attributes", {{"type", "vf"}}}}})));
      ASSERT_EQ(Prepare(claims.back()).error, "");
    }
    const auto more =
        api_.Allocate("too-many", Json::array({{{"name", "r"}, {"driver", "dra.pci"}}}));
    EXPECT_FALSE(more);
    for (const ClaimObject& claim : claims) {
      EXPECT_EQ(Unprepare(claim), "");
      ASSERT_TRUE(api_.DeleteClaim(claim.name));
    }
  }
}

TEST_F(ClusterClaims, AGetThatIsRefusedForAMomentIsRepeatedWithinTheCall) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  for (const int status : {403, 429, 500, 503}) {
    api_.Fault({{"match",
                 {{"method", "GET"},
                  {"pathPrefix", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/c"}}},
                {"status", status},
                {"count", 1}});
    EXPECT_EQ(Prepare(claim).error, "") << status;
    EXPECT_EQ(Unprepare(claim), "");
    api_.NoFaults();
  }
}

// Contract 10.2 case 11.
TEST_F(ClusterClaims, AClaimThatTheKubeletCallsForTwiceAtOnceIsPreparedOnce) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  auto other = std::async(std::launch::async, [&] { return Prepare(claim); });
  const Answer answer = Prepare(claim);
  const Answer second = other.get();
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(second.error, "");
  EXPECT_EQ(answer.cdi_ids, second.cdi_ids);
  EXPECT_EQ(Unprepare(claim), "");
}

// --- the API server away
// ---------------------------------------------------------------------------

// Contract 10.2 case 19.
TEST_F(ServerAway, WithTheServerAwayKnownClaimsLiveAndUnknownOnesFailInTimeWithAClearText) {
  const ClaimObject known = Allocated("known", Of(card() + "-vf0"));
  const ClaimObject unknown = Allocated("unknown", Of(card() + "-vf1"));
  ASSERT_EQ(Prepare(known).error, "");
  api_.Stop();
  RestartDaemon();
  EXPECT_EQ(Prepare(known).error, "");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(Prepare(unknown).error,
              AllOf(HasSubstr("does not answer"), HasSubstr("the kubelet will try again")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(44));
  EXPECT_EQ(Unprepare(known), "");
  EXPECT_EQ(Unprepare(unknown), "");
  ASSERT_TRUE(api_.Start());
  EXPECT_TRUE(Soon([&] { return Prepare(unknown).error.empty(); }, std::chrono::seconds(40)));
  EXPECT_TRUE(Soon([&] { return Ready("unknown") == "True"; }, std::chrono::seconds(70)));
  EXPECT_EQ(Unprepare(unknown), "");
}

}  // namespace

// --- never an API server
// ------------------------------------------------------------------------------

class NoServer : public ClusterNode {};

TEST_F(NoServer, ADaemonWithoutOneRegistersRestartsAndUnprepares) {
  api_.Stop();
  StartDaemon();
  const auto info =
      RunCommand({"/bin/sh", "-c", "test -S " + RegistrationSocket(scratch_.kubelet_root)});
  ASSERT_TRUE(info);
  EXPECT_EQ(info->code, 0);
  const ClaimObject claim{.uid = "11111111-2222-4333-8444-555555555555", .name = "c"};
  EXPECT_EQ(Unprepare(claim), "");
  RestartDaemon();
  EXPECT_EQ(Unprepare(claim), "");
  ASSERT_TRUE(api_.Start());
  api_.AddNode("node-1");
  EXPECT_TRUE(Published());
}

// --- shares
// ----------------------------------------------------------------------------------------

class ClusterShares : public SharedNode {
 protected:
  static Json Share(const std::string& rate) {
    return Json::array(
        {{{"name", "r"}, {"driver", "dra.pci"}, {"capacity", {{"bandwidth", rate}}}}});
  }
};

TEST_F(ClusterShares, A200MegabitShareIsAVfHeldToThatRate) {
  const auto device = api_.Device(card());
  ASSERT_TRUE(device);
  EXPECT_EQ(device->at("allowMultipleAllocations"), true);
  EXPECT_EQ(device->at("capacity").at("bandwidth").at("value"), "1G");
  const ClaimObject claim = Allocated("share", Share("200M"));
  const Answer answer = Prepare(claim);
  ASSERT_EQ(answer.error, "");
  EXPECT_TRUE(answer.response.claims().at(claim.uid).devices(0).has_share_id());
  const auto settings = RunCommand({node_.programs().sim, "inject", "vf-settings", "0000:02:00.0"});
  ASSERT_TRUE(settings);
  EXPECT_THAT(settings->out, HasSubstr("200"));
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 case 14: consumed capacity.
TEST_F(ClusterShares, SharesAddUpToTheLinkAndNoFurther) {
  const ClaimObject most = Allocated("most", Share("900M"));
  ASSERT_EQ(Prepare(most).error, "");
  EXPECT_FALSE(api_.Allocate("more", Share("200M")));
  const ClaimObject rest = Allocated("rest", Share("100M"));
  ASSERT_EQ(Prepare(rest).error, "");
  EXPECT_EQ(Unprepare(most), "");
  EXPECT_EQ(Unprepare(rest), "");
}

// Contract 10.2 case 14: share ids.
TEST_F(ClusterShares, OfOneDeviceHaveIdsOfTheirOwnAndCanBeHadAgain) {
  Json halves = Share("500M");
  halves.push_back(halves[0]);
  halves[0]["name"] = "a";
  halves[1]["name"] = "b";
  for (int round = 0; round < 2; ++round) {
    const ClaimObject both = Allocated("both", halves);
    const Answer answer = Prepare(both);
    ASSERT_EQ(answer.error, "");
    const auto& devices = answer.response.claims().at(both.uid).devices();
    ASSERT_EQ(devices.size(), 2);
    const Json claim = *api_.Claim("both");
    for (int i = 0; i < 2; ++i) {
      const Json& result = claim.at("status").at("allocation").at("devices").at("results").at(i);
      EXPECT_EQ(devices.at(i).device_name(), card());
      EXPECT_EQ(devices.at(i).share_id(), result.at("shareID").get<std::string>());
      EXPECT_EQ(result.at("consumedCapacity").at("bandwidth"), "500M");
    }
    EXPECT_NE(devices.at(0).share_id(), devices.at(1).share_id());
    EXPECT_NE(devices.at(0).cdi_device_ids(0), devices.at(1).cdi_device_ids(0));
    EXPECT_FALSE(api_.Allocate("more", Share("1M")));
    EXPECT_EQ(Unprepare(both), "");
    ASSERT_TRUE(api_.DeleteClaim("both"));
  }
}

}  // namespace drapci::test
