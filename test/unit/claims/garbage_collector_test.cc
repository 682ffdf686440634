#include "plugin/claims/garbage_collector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/claims/claims.h"
#include "test/unit/plugin/fake_manager.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class GarbageCollectorTest : public testing::Test {
 protected:
  GarbageCollectorTest() {
    api_.answer = [this](const kube::ApiRequest& request) -> kube::ApiResult {
      if (request.method == "POST") return "{}";
      return answer_;
    };
    Hold(Request());
  }
  void Hold(const driver::ClaimRequest& request) {
    manager_.Prepare(request, [](const Result<driver::PreparedClaim>& prepared) {
      EXPECT_TRUE(prepared.has_value());
    });
  }
  bool Held(const std::string& uid = kUid) const { return manager_.FindClaim(uid).has_value(); }
  void Start() {
    collector_->Start();
    loop_.Run();
  }
  size_t Gets() const { return api_.calls.size() - api_.Writes().size(); }

  kube::FakeLoop loop_;
  TestApi api_{loop_};
  kube::ApiResult answer_ = Claim().dump();
  FakeManager manager_;
  Events events_{loop_, api_, "dra.pci", "node1"};
  std::unique_ptr<GarbageCollector> collector_ = std::make_unique<GarbageCollector>(
      loop_, api_, manager_, events_,
      GarbageCollector::Options{
          .period = minutes(10), .grace = minutes(10), .driver_name = "dra.pci"});
};

// Contract 10.2, 18: the kubelet's state is wiped, and no unprepare ever comes.
TEST_F(GarbageCollectorTest, ReleasesAClaimThatHasBeenGoneForTheGracePeriodAndSaysSo) {
  answer_ = NotFound();
  testing::internal::CaptureStderr();
  Start();
  loop_.Advance(minutes(9));
  EXPECT_TRUE(Held());
  loop_.Advance(minutes(2));
  EXPECT_FALSE(Held());
  EXPECT_EQ(collector_->released(), 1u);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("gone from the API server"));
  ASSERT_THAT(api_.Writes(), SizeIs(1));
  EXPECT_EQ(json::parse(api_.Writes()[0].body)["reason"], "ClaimReleased");
}

TEST_F(GarbageCollectorTest, KeepsAClaimThatIsAllocatedToWhatItHolds) {
  Start();
  loop_.Advance(minutes(60));
  EXPECT_TRUE(Held());
  EXPECT_EQ(Gets(), 7u);
}

TEST_F(GarbageCollectorTest, ReleasesAClaimWhoseNameANewOneHas) {
  answer_ = Claim(kOtherUid).dump();
  Start();
  loop_.Advance(minutes(11));
  EXPECT_FALSE(Held());
}

TEST_F(GarbageCollectorTest, ReleasesAClaimThatIsNotAllocatedAnyMore) {
  json claim = Claim();
  claim["status"] = json::object();
  answer_ = claim.dump();
  Start();
  loop_.Advance(minutes(11));
  EXPECT_FALSE(Held());
}

TEST_F(GarbageCollectorTest, ReleasesAClaimThatIsAllocatedToAnotherNode) {
  // A device of the same name, in that node's pool.
  answer_ = Claim(kUid, "my-claim", "pci-0000-02-00-0-vf0", "node2").dump();
  Start();
  loop_.Advance(minutes(11));
  EXPECT_FALSE(Held());
}

TEST_F(GarbageCollectorTest, TrustsClearAnswersAlone) {
  // The API group is not served, or something else answers at this address.
  for (const kube::ApiResult& unclear :
       {kube::FakeApi::Failure(404, Code::kNotFound, ""), NoAnswer(), Forbidden(),
        kube::FakeApi::Failure(503, Code::kIo, "ServiceUnavailable"), kube::ApiResult("{}"),
        kube::ApiResult("no JSON")}) {
    answer_ = unclear;
    loop_.Advance(minutes(60));
    Start();
    loop_.Advance(minutes(60));
    EXPECT_TRUE(Held());
    collector_ = std::make_unique<GarbageCollector>(
        loop_, api_, manager_, events_,
        GarbageCollector::Options{
            .period = minutes(10), .grace = minutes(10), .driver_name = "dra.pci"});
  }
}

TEST_F(GarbageCollectorTest, CountsTheGraceAnewWhenTheClaimWasThereInBetween) {
  answer_ = NotFound();
  Start();
  answer_ = Claim().dump();
  loop_.Advance(minutes(10));
  answer_ = NotFound();
  loop_.Advance(minutes(15));
  EXPECT_TRUE(Held());
  loop_.Advance(minutes(10));
  EXPECT_FALSE(Held());
}

TEST_F(GarbageCollectorTest, LeavesClaimsOfTheCommandLineAndTheNodesOwnAlone) {
  manager_.Unprepare(kUid, [](Result<>) {});
  Hold(Request("cli-my-claim"));
  manager_.AddStanding("2b1c7f6e-0d55-4a43-9f5a-000000000000");
  answer_ = NotFound();
  Start();
  loop_.Advance(minutes(60));
  EXPECT_TRUE(Held("cli-my-claim"));
  EXPECT_TRUE(Held("2b1c7f6e-0d55-4a43-9f5a-000000000000"));
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(GarbageCollectorTest, AsksForOneClaimAfterTheOther) {
  for (int i = 1; i < 8; ++i) {
    Hold(Request(fmt::format("2b1c7f6e-0d55-4a43-9f5a-00000000000{}", i), "my-claim",
                 fmt::format("pci-0000-02-00-0-vf{}", i)));
  }
  Start();
  EXPECT_EQ(Gets(), 1u);
  loop_.Advance(seconds(5));
  EXPECT_EQ(Gets(), 8u);
}

TEST_F(GarbageCollectorTest, LooksAtTheRecordAgainRightBeforeTheRelease) {
  answer_ = NotFound();
  Start();
  loop_.Advance(minutes(5));
  // The kubelet has released it, and prepared it anew with another device.
  manager_.Unprepare(kUid, [](Result<>) {});
  Hold(Request(kUid, "my-claim", "pci-0000-02-00-0-vf1"));
  // The next answer is about the record as it is when the question is asked, so it is changed
  // between question and answer.
  api_.answer = [this](const kube::ApiRequest& request) -> kube::ApiResult {
    if (request.method == "POST") return "{}";
    manager_.Unprepare(kUid, [](Result<>) {});
    Hold(Request(kUid, "my-claim", "pci-0000-02-00-0-vf2"));
    return NotFound();
  };
  loop_.Advance(minutes(6));
  EXPECT_TRUE(Held());
}

TEST_F(GarbageCollectorTest, TellsOfAReleaseThatFailsAndTriesAgain) {
  answer_ = NotFound();
  manager_.FailNext(kUid, {.code = Code::kBusy, .sys = EBUSY, .what = "EBUSY"});
  Start();
  loop_.Advance(minutes(11));
  EXPECT_TRUE(Held());
  ASSERT_THAT(api_.Writes(), SizeIs(1));
  EXPECT_EQ(json::parse(api_.Writes()[0].body)["reason"], "ClaimReleaseFailed");
  loop_.Advance(minutes(10));
  EXPECT_FALSE(Held());
}

TEST_F(GarbageCollectorTest, StopsInTheMiddle) {
  answer_ = NotFound();
  Start();
  manager_.Hold();
  loop_.Advance(minutes(11));
  collector_.reset();
  manager_.Release();
  loop_.Advance(minutes(60));
  EXPECT_FALSE(Held());
  EXPECT_EQ(loop_.timers(), 0u);
}

}  // namespace
}  // namespace drapci::plugin::claims
