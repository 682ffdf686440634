#include <gtest/gtest.h>

#include "test/unit/apiserver/harness.h"

namespace drapci::apiserver {
namespace {

class SchedulerTest : public testing::Test {
 protected:
  Harness::Answer Allocate(const std::string& name, json request) {
    request["name"] = "r";
    return harness.Post("/allocate", {{"namespace", "default"},
                                      {"name", name},
                                      {"node", "node1"},
                                      {"requests", json::array({request})}});
  }
  static json Result(const Harness::Answer& claim) {
    return claim.body["status"]["allocation"]["devices"]["results"][0];
  }
  void Publish(int64_t count, int64_t generation, const json& spec) {
    json slice = Slice();
    slice["spec"].erase("devices");
    slice["spec"].update(spec);
    slice["spec"]["pool"]["resourceSliceCount"] = count;
    slice["spec"]["pool"]["generation"] = generation;
    ASSERT_EQ(harness.Post(kSlices, slice).status, 201);
  }
  static json Part(const std::string& name, const std::string& memory) {
    return {
        {"name", name},
        {"consumesCounters",
         json::array({{{"counterSet", "card"}, {"counters", {{"mem", {{"value", memory}}}}}}})}};
  }
  static json CounterSets() {
    return json::array({{{"name", "card"}, {"counters", {{"mem", {{"value", "4"}}}}}}});
  }

  Harness harness;
};

TEST_F(SchedulerTest, GivesADeviceOnceAndInOrder) {
  Publish(1, 1, {{"devices", {Device("a"), Device("b")}}});
  EXPECT_EQ(Result(Allocate("c1", {{"driver", "gpu.example.com"}}))["device"], "a");
  EXPECT_EQ(Result(Allocate("c2", json::object()))["device"], "b");
  EXPECT_EQ(Allocate("c3", json::object()).reason(), "Unschedulable");
  harness.Post("/deallocate", {{"namespace", "default"}, {"name", "c1"}});
  EXPECT_EQ(Result(Allocate("c3", json::object()))["device"], "a");
}

TEST_F(SchedulerTest, AnAdminSharesADeviceInUse) {
  Publish(1, 1, {{"devices", {Device("a"), Device("b")}}});
  Allocate("c1", {{"count", 2}});
  EXPECT_EQ(Result(Allocate("c2", {{"adminAccess", true}}))["adminAccess"], true);
}

TEST_F(SchedulerTest, CountersAreNotOvercommitted) {
  Publish(2, 1, {{"sharedCounters", CounterSets()}});
  Publish(2, 1, {{"devices", {Part("half0", "2"), Part("half1", "2"), Part("whole", "4")}}});
  EXPECT_EQ(Allocate("c1", {{"device", "half0"}}).status, 200);
  EXPECT_EQ(Allocate("c2", {{"device", "whole"}}).status, 422);
  EXPECT_EQ(Allocate("c2", {{"device", "half1"}}).status, 200);
}

TEST_F(SchedulerTest, AnIncompletePoolGivesNothing) {
  Publish(2, 1, {{"devices", {Device("a"), Device("b")}}});
  EXPECT_EQ(Allocate("c", json::object()).status, 422);
}

TEST_F(SchedulerTest, OnlyTheNewestGenerationCounts) {
  Publish(1, 1, {{"devices", {Device("old"), Device("older")}}});
  Publish(1, 2, {{"devices", {Device("new"), Device("newer")}}});
  EXPECT_EQ(Result(Allocate("c", json::object()))["device"], "new");
}

TEST_F(SchedulerTest, UnknownCountersMakeThePoolUnusable) {
  Publish(1, 1, {{"devices", {Part("p", "1"), Device("plain")}}});
  EXPECT_EQ(Allocate("c", {{"device", "plain"}}).status, 422);
}

// Contract 10.3 case 24.
TEST_F(SchedulerTest, ADeviceThatIsInTwoSlicesMakesThePoolUnusable) {
  Publish(2, 1, {{"devices", {Device("a"), Device("twice")}}});
  Publish(2, 1, {{"devices", {Device("twice"), Device("b")}}});
  for (const char* device : {"a", "b", "twice"}) {
    EXPECT_EQ(Allocate("c", {{"device", device}}).reason(), "Unschedulable") << device;
  }
}

TEST_F(SchedulerTest, SharesFollowThePolicyAndAreCounted) {
  const json policy = {{"default", "2"}, {"validRange", {{"min", "2"}, {"step", "2"}}}};
  const json nic = {{"name", "nic"},
                    {"allowMultipleAllocations", true},
                    {"capacity",
                     {{"bandwidth", {{"value", "10"}, {"requestPolicy", policy}}},
                      {"vfs", {{"value", "4"}, {"requestPolicy", {{"default", "1"}}}}}}}};
  Publish(1, 1, {{"devices", json::array({nic})}});
  const json plain = Result(Allocate("c1", json::object()));
  EXPECT_EQ(plain["consumedCapacity"], json({{"bandwidth", "2"}, {"vfs", "1"}}));
  EXPECT_EQ(plain["shareID"].get<std::string>().size(), 36U);
  const json rounded = Result(Allocate("c2", {{"capacity", {{"bandwidth", "5"}}}}));
  EXPECT_EQ(rounded["consumedCapacity"]["bandwidth"], "6");
  EXPECT_EQ(Allocate("c3", {{"capacity", {{"bandwidth", "4"}}}}).status, 422);
  EXPECT_EQ(Allocate("c3", json::object()).status, 200);
}

TEST_F(SchedulerTest, TaintsKeepClaimsAway) {
  Publish(
      1, 1,
      {{"devices",
        json::array({{{"name", "d"}, {"taints", {{{"key", "sick"}, {"effect", "NoExecute"}}}}}})}});
  EXPECT_EQ(Allocate("c", json::object()).status, 422);
  EXPECT_EQ(Allocate("c", {{"tolerate", true}}).status, 200);
}

TEST_F(SchedulerTest, ClassConfigurationComesBeforeTheClaims) {
  Publish(1, 1, {{"devices", json::array({Device("a")})}});
  const json opaque = {{"opaque", {{"driver", "gpu.example.com"}, {"parameters", {{"x", 1}}}}}};
  harness.Post("/apis/resource.k8s.io/v1/deviceclasses",
               {{"metadata", {{"name", "gpu"}}}, {"spec", {{"config", json::array({opaque})}}}});
  harness.Post(kClaims, {{"metadata", {{"name", "c"}}},
                         {"spec", {{"devices", {{"config", json::array({opaque})}}}}}});
  const auto claim = Allocate("c", {{"class", "gpu"}});
  const json config = claim.body["status"]["allocation"]["devices"]["config"];
  ASSERT_EQ(config.size(), 2U) << claim.body;
  EXPECT_EQ(config[0]["source"], "FromClass");
  EXPECT_EQ(config[1]["source"], "FromClaim");
}

}  // namespace
}  // namespace drapci::apiserver
