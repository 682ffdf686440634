#include "plugin/claims/claim_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ClaimViewTest, SeesTheDevicesOfThisDriverTheNodeAndTheTimeOfTheAllocation) {
  json claim = Claim();
  auto& results = claim["status"]["allocation"]["devices"]["results"];
  results[0]["bindingConditions"] = {"dra.pci/Prepared"};
  results[0]["shareID"] = kOtherUid;
  results.push_back(
      {{"request", "b"}, {"driver", "gpu.example.com"}, {"pool", "p"}, {"device", "d"}});
  claim["status"]["allocation"]["allocationTimestamp"] = kStart;
  const auto view = ViewClaim(claim.dump(), "dra.pci");
  ASSERT_TRUE(view.has_value()) << view.error().what;
  EXPECT_EQ(view->uid, kUid);
  EXPECT_EQ(view->allocated_at, 1'800'000'000);
  EXPECT_THAT(view->nodes, ElementsAre("node1"));
  ASSERT_EQ(view->devices.size(), 1u);
  EXPECT_EQ(view->devices[0].device, "pci-0000-02-00-0-vf0");
  EXPECT_EQ(view->devices[0].share_id, kOtherUid);
  EXPECT_THAT(view->devices[0].binding_conditions, ElementsAre("dra.pci/Prepared"));
}

TEST(ClaimViewTest, SeesTheConditionsOfThisDriverAlone) {
  json claim = Claim();
  const json conditions = json::array(
      {{{"type", "dra.pci/Prepared"}, {"status", "True"}, {"lastTransitionTime", kStart}}});
  claim["status"]["devices"] = json::array(
      {{{"driver", "dra.pci"}, {"pool", "p"}, {"device", "d"}, {"conditions", conditions}},
       {{"driver", "other"}, {"pool", "p"}, {"device", "d"}, {"conditions", conditions}}});
  const auto view = ViewClaim(claim.dump(), "dra.pci");
  ASSERT_TRUE(view.has_value()) << view.error().what;
  ASSERT_EQ(view->conditions.size(), 1u);
  EXPECT_TRUE(view->conditions[0].is_true);
  EXPECT_EQ(view->conditions[0].since, 1'800'000'000);
}

TEST(ClaimViewTest, NamesTheFieldThatIsWrong) {
  json claim = Claim();
  claim["status"]["allocation"]["devices"]["results"][0]["pool"] = 7;
  const auto view = ViewClaim(claim.dump(), "dra.pci");
  ASSERT_FALSE(view.has_value());
  EXPECT_THAT(view.error().what, HasSubstr("status.allocation.devices.results[0].pool"));
  EXPECT_FALSE(ViewClaim("[1]", "dra.pci").has_value());
  EXPECT_FALSE(ViewClaim("{", "dra.pci").has_value());
}

TEST(ClaimViewTest, TellsClaimsOfAClusterFromThoseOfTheCommandLine) {
  EXPECT_TRUE(IsClusterClaim(Request()));
  EXPECT_FALSE(IsClusterClaim(Request("cli-my-claim")));
  EXPECT_FALSE(IsClusterClaim(Request("2B1C7F6E-0D55-4A43-9F5A-1F0F8F2D8A11")));
  driver::ClaimRequest nameless = Request();
  nameless.namespace_name.clear();
  EXPECT_FALSE(IsClusterClaim(nameless));
}

TEST(ClaimViewTest, RefusesNamesThatWouldLeaveThePath) {
  EXPECT_EQ(*ClaimPath("default", "my-claim"), kClaimPath);
  for (const char* name : {"", "..", ".", "a/b", "a%2fb", "A", "a?b", "-a", "a b"}) {
    EXPECT_FALSE(ClaimPath("default", name).has_value()) << name;
    EXPECT_FALSE(ClaimPath(name, "my-claim").has_value()) << name;
  }
}

TEST(ClaimViewTest, ReadsAndWritesTimesAsTheApiServerDoes) {
  EXPECT_EQ(Rfc3339(1'800'000'000), kStart);
  EXPECT_EQ(ParseRfc3339(kStart), 1'800'000'000);
  EXPECT_EQ(ParseRfc3339("2027-01-15T08:00:00.123456Z"), 1'800'000'000);
  EXPECT_EQ(Rfc3339Micro(hal::WallTime(std::chrono::milliseconds(1'800'000'000'001))),
            "2027-01-15T08:00:00.001000Z");
  for (const char* text : {"", "2027-01-15", "2027-01-15T08:00:00", "2027-01-15T08:00:00+01:00",
                           "2027-13-15T08:00:00Z", "2027-02-30T08:00:00Z", "2027-01-15T25:00:00Z",
                           "2027-01-15T08:00:00xZ", "+027-01-15T08:00:00Z"}) {
    EXPECT_EQ(ParseRfc3339(text), 0) << text;
  }
}

}  // namespace
}  // namespace drapci::plugin::claims
