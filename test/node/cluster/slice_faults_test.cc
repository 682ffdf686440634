// Slices while the API server refuses, loses connections or restarts (contract 10.3 case 26).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::SizeIs;

constexpr const char* kSlices = "/apis/resource.k8s.io/v1/resourceslices";

class SliceFaults : public ClusterNode {
 protected:
  // What the test deletes comes back: the daemon watches.
  void ExpectRepaired() {
    const auto slices = api_.Slices();
    ASSERT_THAT(slices, SizeIs(2));
    const std::string name = slices.at(1).at("metadata").at("name").get<std::string>();
    ASSERT_TRUE(api_.Delete(fmt::format("{}/{}", kSlices, name)));
    EXPECT_TRUE(Soon([&] {
      const auto now = api_.Slices();
      return now.size() == 2 && now.at(1).at("metadata").at("name") != name;
    }));
  }
  static Json To(const std::string& method) {
    return {{"method", method}, {"pathPrefix", kSlices}};
  }
};

class RefusedWrites : public SliceFaults, public testing::WithParamInterface<Json> {};

TEST_P(RefusedWrites, AreTriedAgainAndEverySliceIsThereOnce) {
  Json fault = GetParam();
  fault["match"] = To("POST");
  fault["count"] = 2;
  api_.Fault(fault);
  StartDaemon();
  ASSERT_TRUE(Settled());
  EXPECT_THAT(api_.Slices(), SizeIs(2));
  EXPECT_TRUE(api_.Device(card() + "-vf0"));
  // What was made twice, since an answer was lost, is tidied up.
  if (!GetParam().contains("apply")) {
    EXPECT_EQ(api_.Calls("update resourceslices") + api_.Calls("delete resourceslices"), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, RefusedWrites,
    testing::Values(Json{{"status", 409}, {"reason", "Conflict"}},
                    Json{{"status", 410}, {"reason", "Gone"}},
                    Json{{"status", 429}, {"reason", "TooManyRequests"}, {"retryAfter", 1}},
                    Json{{"status", 500}, {"reason", "InternalError"}},
                    Json{{"status", 503}, {"reason", "ServiceUnavailable"}},
                    Json{{"dropConnection", "before"}},
                    // The slice is made, its answer lost.
                    Json{{"dropConnection", "before"}, {"apply", true}}),
    [](const auto& instance) {
      const std::string name = instance.param.contains("status")
                                   ? std::to_string(instance.param.at("status").template get<int>())
                                   : "Dropped";
      return name + (instance.param.contains("apply") ? "AfterwardsTheServerHadIt" : "");
    });

TEST_F(SliceFaults, AConflictOfAnUpdateIsResolved) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  Json slice = api_.Slices().at(1);
  const Json right = slice.at("spec").at("devices");
  slice["spec"]["devices"].erase(0);
  api_.Fault(
      {{"match", To("PUT")}, {"skip", 1}, {"count", 1}, {"status", 409}, {"reason", "Conflict"}});
  ASSERT_TRUE(api_.Put(
      fmt::format("{}/{}", kSlices, slice.at("metadata").at("name").get<std::string>()), slice));
  EXPECT_TRUE(Soon([&] { return api_.Slices().at(1).at("spec").at("devices") == right; }));
  EXPECT_TRUE(Settled());
}

TEST_F(SliceFaults, AWatchThatIsClosedGoesOn) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  ASSERT_TRUE(api_.Post("/watches/close", Json::object()));
  ExpectRepaired();
}

TEST_F(SliceFaults, AWatchThatHasExpiredBeginsWithAList) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  api_.AddNode("another");  // the version that the daemon knows is an old one
  ASSERT_TRUE(api_.Post("/compact", Json::object()));
  api_.Fault({{"match", {{"verb", "watch"}, {"pathPrefix", kSlices}}},
              {"count", 1},
              {"status", 410},
              {"reason", "Expired"}});
  ASSERT_TRUE(api_.Post("/watches/close", Json::object()));
  ExpectRepaired();
}

TEST_F(SliceFaults, ARestartOfTheServerCostsNoWriteAndTheWatchGoesOn) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  const auto before = api_.Slices();
  api_.Stop();
  ASSERT_TRUE(api_.Start());
  ASSERT_TRUE(Soon([this] { return api_.Calls("watch resourceslices") >= 1; }));
  ASSERT_TRUE(Settled());
  EXPECT_EQ(api_.SliceWrites(), 0U);
  EXPECT_EQ(api_.Slices(), before);
  ExpectRepaired();
}

TEST_F(SliceFaults, WhatChangesWhileTheServerIsAwayIsPublishedWhenItIsBack) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  api_.Stop();
  Inject({"unplug", address()});
  ASSERT_TRUE(api_.Start());
  EXPECT_TRUE(Soon([this] { return !api_.Device(card()); }, std::chrono::seconds(40)));
  Inject({"plug", address()});
  EXPECT_TRUE(Soon([this] { return api_.Device(card()).has_value(); }));
}

}  // namespace
}  // namespace drapci::test
