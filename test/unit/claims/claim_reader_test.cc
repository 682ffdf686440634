#include "plugin/claims/claim_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ClaimReaderTest : public testing::Test {
 protected:
  void Make(bool watch = false) {
    reader_ = std::make_unique<ClaimReader>(loop_, api_,
                                            ClaimReader::Options{.patience = seconds(30),
                                                                 .watch = watch,
                                                                 .driver_name = "dra.pci",
                                                                 .node_name = "node1",
                                                                 .server = "https://api:6443"},
                                            1);
  }
  void Get(const std::string& uid = kUid, const std::string& name = "my-claim") {
    reader_->GetClaim("default", name, uid,
                      [this](Result<std::string> result) { answers_.push_back(result); });
  }
  // Lists `claims` and answers every GET with my-claim.
  void Watch(const std::vector<json>& claims) {
    Make(true);
    api_.answer = [claims](const kube::ApiRequest& request) -> kube::ApiResult {
      return request.path == kClaimPath ? Claim().dump() : ListOf(claims);
    };
    reader_->Listen({.allocated = [this](const std::string& claim) { allocated_.push_back(claim); },
                     .released = [this](const std::string& uid) { released_.push_back(uid); }});
    reader_->Start();
    loop_.Run();
  }
  void Tell(const std::string& type, const json& object) {
    api_.watches.begin()->second.event(WatchLine(type, object));
  }

  kube::FakeLoop loop_;
  TestApi api_{loop_};
  std::unique_ptr<ClaimReader> reader_;
  std::vector<Result<std::string>> answers_;
  std::vector<std::string> allocated_, released_;
};

TEST_F(ClaimReaderTest, ReadsAClaimByItsName) {
  Make();
  api_.answer = [](const kube::ApiRequest&) -> kube::ApiResult { return "{}"; };
  Get();
  EXPECT_THAT(answers_, IsEmpty());
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(*answers_[0], "{}");
  ASSERT_THAT(api_.calls, SizeIs(1));
  EXPECT_EQ(api_.calls[0].path, kClaimPath);
  EXPECT_EQ(reader_->gets(), 1u);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(ClaimReaderTest, ReadsAtOnceWhenTheClaimIsGone) {  // contract 10.2, 19: claim 404
  Make();
  api_.answer = [](const kube::ApiRequest&) { return NotFound(); };
  Get();
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].error().code, Code::kNotFound);
  EXPECT_THAT(answers_[0].error().what, HasSubstr("no such claim"));
  EXPECT_EQ(reader_->gets(), 1u);
}

TEST_F(ClaimReaderTest, WaitsOutARefusalOfTheNodeAuthorizer) {  // contract, appendix D, 12
  Make();
  api_.answer = [this](const kube::ApiRequest&) -> kube::ApiResult {
    if (api_.calls.size() < 3) return Forbidden();
    return "{}";
  };
  Get();
  loop_.Advance(seconds(2));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_TRUE(answers_[0].has_value());
  EXPECT_EQ(reader_->gets(), 3u);
}

TEST_F(ClaimReaderTest, NamesThePermissionThatIsMissingWhenItsPatienceEnds) {
  Make();
  api_.answer = [](const kube::ApiRequest&) { return Forbidden(); };
  Get();
  loop_.Advance(seconds(30));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].error().code, Code::kDenied);
  EXPECT_THAT(answers_[0].error().what, HasSubstr("allow 'get' on resourceclaims"));
  EXPECT_GT(reader_->gets(), 10u);
  EXPECT_LT(reader_->gets(), 40u);
}

TEST_F(ClaimReaderTest, SaysThatTheServerIsAwayWithinItsPatience) {  // 10.2, 19: unreachable
  Make();
  api_.answer = [](const kube::ApiRequest&) { return NoAnswer(); };
  Get();
  loop_.Advance(seconds(30));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0].error().what,
              HasSubstr("the API server https://api:6443 does not answer: connect: connection "
                        "refused; the kubelet will try again"));
}

TEST_F(ClaimReaderTest, GivesUpInTimeWhenTheServerIsSilent) {
  Make();
  api_.silent = true;
  Get();
  loop_.Advance(milliseconds(29'999));
  EXPECT_THAT(answers_, IsEmpty());
  loop_.Advance(milliseconds(1));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].error().code, Code::kTimeout);
  EXPECT_THAT(answers_[0].error().what, HasSubstr("does not answer"));
  EXPECT_EQ(api_.cancelled, 1);
  EXPECT_LE(api_.calls[0].timeout, seconds(10));
}

TEST_F(ClaimReaderTest, FailsAtOnceWhenTheServerAsksForMorePatienceThanThereIs) {
  Make();
  api_.answer = [](const kube::ApiRequest&) {
    auto busy = kube::FakeApi::Failure(429, Code::kBusy, "TooManyRequests");
    busy.error().retry_after = seconds(60);
    return busy;
  };
  Get();
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].error().code, Code::kBusy);
}

TEST_F(ClaimReaderTest, SharesOneReadAmongConcurrentCallsForOneClaim) {  // 10.2, 11
  Make();
  api_.answer = [](const kube::ApiRequest&) -> kube::ApiResult { return "{}"; };
  Get();
  Get();
  Get(kOtherUid);  // a new claim of that name: not the same
  loop_.Run();
  EXPECT_THAT(answers_, SizeIs(3));
  EXPECT_EQ(reader_->gets(), 2u);
}

TEST_F(ClaimReaderTest, RefusesNamesThatNoClaimCanHave) {
  Make();
  Get(kUid, "../../secrets/x");
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].error().code, Code::kInvalid);
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(ClaimReaderTest, AnswersOpenCallsWhenItStops) {
  Make();
  api_.silent = true;
  Get();
  loop_.Run();
  Get(kOtherUid);  // still on its way to the loop
  reader_.reset();
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_THAT(answers_[0].error().what, HasSubstr("stopping"));
  loop_.Advance(seconds(60));
  EXPECT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(ClaimReaderTest, NeedsNoReadForAClaimThatTheWatchHasSeen) {
  Watch({Claim()});
  EXPECT_THAT(allocated_, SizeIs(1));
  Get();
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(json::parse(*answers_[0])["metadata"]["uid"], kUid);
  EXPECT_EQ(reader_->gets(), 0u);
}

TEST_F(ClaimReaderTest, ReadsAClaimOfTheSameNameWithAnotherUid) {  // 10.2, 9
  Watch({Claim(kOtherUid)});
  Get(kUid);
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(reader_->gets(), 1u);
}

TEST_F(ClaimReaderTest, ReadsAClaimThatTheWatchKnowsAsNotAllocated) {
  json unallocated = Claim();
  unallocated["status"].erase("allocation");
  Watch({unallocated});
  Get();
  loop_.Run();
  EXPECT_EQ(reader_->gets(), 1u);
}

TEST_F(ClaimReaderTest, ReadsByNameWhenTheWatchIsNotPermitted) {
  Make(true);
  api_.answer = [](const kube::ApiRequest& request) -> kube::ApiResult {
    if (request.path != kClaimPath) return Forbidden();
    return Claim().dump();
  };
  reader_->Start();
  loop_.Run();
  Get();
  loop_.Run();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_TRUE(answers_[0].has_value());
  EXPECT_EQ(reader_->gets(), 1u);
}

TEST_F(ClaimReaderTest, TellsWhatTheWatchSees) {
  Watch({});
  json claim = Claim();
  Tell("ADDED", claim);
  EXPECT_THAT(allocated_, SizeIs(1));
  claim["status"].erase("allocation");
  claim["metadata"]["resourceVersion"] = "9";
  Tell("MODIFIED", claim);
  EXPECT_THAT(released_, ElementsAre(kUid));
}

}  // namespace
}  // namespace drapci::plugin::claims
