#include "plugin/claims/claim_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/claim_json.h"
#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(ClaimCacheTest, KeepsClaimsOfThisDriverAndNodeAlone) {
  ClaimCache cache("dra.pci", "node1");
  json unallocated = Claim("u1", "a");
  unallocated["status"].erase("allocation");
  json others = Claim("u2", "b");
  others["status"]["allocation"]["devices"]["results"][0]["driver"] = "gpu.example.com";
  const auto changes = cache.Replace({unallocated.dump(), others.dump(),
                                      Claim("u3", "c", "pci-0000-02-00-0-vf0", "node2").dump(),
                                      Claim().dump(), "{broken dra.pci"});
  EXPECT_THAT(changes.allocated, SizeIs(1));
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(cache.Find("default", "my-claim", kUid), nullptr);
  EXPECT_EQ(cache.Find("default", "my-claim", kOtherUid), nullptr);
}

TEST(ClaimCacheTest, KeepsNothingWhenTheNodeHasNoName) {
  ClaimCache cache("dra.pci", "");
  EXPECT_THAT(cache.Replace({Claim().dump()}).allocated, IsEmpty());
}

TEST(ClaimCacheTest, KeepsWhatDecodingNeedsAndNotTheManagedFields) {
  ClaimCache cache("dra.pci", "node1");
  json item = Claim();
  item.erase("apiVersion");  // as in a list
  item.erase("kind");
  cache.Replace({item.dump()});
  const std::string* kept = cache.Find("default", "my-claim", kUid);
  ASSERT_NE(kept, nullptr);
  EXPECT_FALSE(kept->contains("managedFields"));
  const auto request = DecodeClaim(*kept, "dra.pci", "node1");
  ASSERT_TRUE(request.has_value()) << request.error().what;
  EXPECT_EQ(*request, Request());
}

TEST(ClaimCacheTest, TellsWhatChangedAndNotWhatStayed) {
  ClaimCache cache("dra.pci", "node1");
  EXPECT_THAT(cache.Put(Claim().dump()).allocated, SizeIs(1));
  EXPECT_THAT(cache.Put(Claim().dump()).allocated, IsEmpty());
  EXPECT_THAT(cache.Replace({Claim().dump()}).allocated, IsEmpty());
  json newer = Claim();
  newer["metadata"]["resourceVersion"] = "8";
  EXPECT_THAT(cache.Put(newer.dump()).allocated, SizeIs(1));
}

TEST(ClaimCacheTest, TellsOfClaimsThatAreDeletedDeallocatedOrNotListedAnyMore) {
  ClaimCache cache("dra.pci", "node1");
  cache.Put(Claim().dump());
  EXPECT_THAT(cache.Drop(Claim().dump()).released, ElementsAre(kUid));
  EXPECT_THAT(cache.Drop(Claim().dump()).released, IsEmpty());
  cache.Put(Claim().dump());
  json deallocated = Claim();
  deallocated["status"] = json::object();
  EXPECT_THAT(cache.Put(deallocated.dump()).released, ElementsAre(kUid));
  cache.Put(Claim().dump());
  EXPECT_THAT(cache.Replace({}).released, ElementsAre(kUid));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ClaimCacheTest, TellsOfTheOldClaimWhenANewOneHasItsName) {
  ClaimCache cache("dra.pci", "node1");
  cache.Put(Claim().dump());
  const auto changes = cache.Replace({Claim(kOtherUid).dump()});
  EXPECT_THAT(changes.released, ElementsAre(kUid));
  EXPECT_THAT(changes.allocated, SizeIs(1));
  EXPECT_EQ(cache.Find("default", "my-claim", kUid), nullptr);
}

TEST(ClaimCacheTest, SurvivesTextsThatAreNoClaims) {
  ClaimCache cache("dra.pci", "node1");
  json odd = Claim();
  odd["metadata"] = "dra.pci";
  for (const std::string& text : {std::string("null"), std::string("[\"dra.pci\"]"), odd.dump()}) {
    EXPECT_THAT(cache.Put(text).allocated, IsEmpty());
    EXPECT_THAT(cache.Drop(text).released, IsEmpty());
  }
}

}  // namespace
}  // namespace drapci::plugin::claims
