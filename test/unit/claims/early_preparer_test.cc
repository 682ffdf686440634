#include "plugin/claims/early_preparer.h"

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

class EarlyPreparerTest : public testing::Test {
 protected:
  EarlyPreparerTest() {
    api_.answer = [this](const kube::ApiRequest&) -> kube::ApiResult {
      if (failure_) return std::unexpected(*failure_);
      return "{}";
    };
    Make();
  }
  void Make() {
    preparer_ = std::make_unique<EarlyPreparer>(loop_, manager_, statuses_, "dra.pci");
    listener_ = preparer_->listener();
  }
  // my-claim, allocated `at` seconds after the start to a device that the scheduler waits for.
  static json Allocated(int64_t at = 0, const std::string& device = "pci-0000-02-00-0-vf0") {
    json claim = Claim(kUid, "my-claim", device);
    json& allocation = claim["status"]["allocation"];
    allocation["allocationTimestamp"] = Rfc(at);
    allocation["devices"]["results"][0]["bindingConditions"] = {"dra.pci/Prepared"};
    allocation["devices"]["results"][0]["bindingFailureConditions"] = {"dra.pci/PrepareFailed"};
    return claim;
  }
  static std::string Rfc(int64_t at) {
    return at == 0 ? kStart : at < 0 ? "2027-01-15T07:00:00Z" : "2027-01-15T09:00:00Z";
  }
  static json WithCondition(json claim, const std::string& type, const std::string& since) {
    json entry = claim["status"]["allocation"]["devices"]["results"][0];
    entry["conditions"] =
        json::array({{{"type", type}, {"status", "True"}, {"lastTransitionTime", since}}});
    claim["status"]["devices"] = json::array({entry});
    return claim;
  }
  void See(const json& claim) {
    listener_.allocated(claim.dump());
    loop_.Run();
  }
  bool Held() const { return manager_.FindClaim(kUid).has_value(); }
  json Written(size_t call) const {
    return json::parse(api_.calls.at(call).body)["status"]["devices"];
  }

  kube::FakeLoop loop_;
  TestApi api_{loop_};
  std::optional<kube::ApiFailure> failure_;
  FakeManager manager_;
  StatusWriter statuses_{loop_, api_, "dra.pci", 1};
  std::unique_ptr<EarlyPreparer> preparer_;
  ClaimReader::Listener listener_;
};

TEST_F(EarlyPreparerTest, PreparesWhatTheSchedulerWaitsForAndSaysSo) {
  See(Allocated());
  EXPECT_TRUE(Held());
  ASSERT_THAT(api_.calls, SizeIs(1));
  EXPECT_EQ(api_.calls[0].query, "fieldManager=dra.pci-binding&force=true");
  EXPECT_EQ(Written(0), json::parse(R"([{
      "driver": "dra.pci", "pool": "node1-pci-0000-02-00-0", "device": "pci-0000-02-00-0-vf0",
      "conditions": [{"type": "dra.pci/Prepared", "status": "True", "reason": "Prepared",
                      "message": "", "lastTransitionTime": "2027-01-15T08:00:00Z"}]}])"));
}

TEST_F(EarlyPreparerTest, LeavesDevicesAloneThatNobodyWaitsFor) {
  See(Claim());
  EXPECT_FALSE(Held());
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(EarlyPreparerTest, GivesTheDeviceBackToTheSchedulerWhenItFails) {
  manager_.FailNext(kUid, {.code = Code::kBusy, .sys = EBUSY, .what = "sriov_numvfs: EBUSY"});
  See(Allocated());
  const json condition = Written(0)[0]["conditions"][0];
  EXPECT_EQ(condition["type"], "dra.pci/PrepareFailed");
  EXPECT_EQ(condition["status"], "True");
  EXPECT_EQ(condition["reason"], "Busy");
  EXPECT_EQ(condition["message"], "sriov_numvfs: EBUSY");
}

TEST_F(EarlyPreparerTest, TellsTheSchedulerOfAConfigurationThatIsWrong) {
  json claim = Allocated();
  claim["status"]["allocation"]["devices"]["config"] =
      json::array({{{"source", "FromClaim"},
                    {"requests", json::array()},
                    {"opaque", {{"driver", "dra.pci"}, {"parameters", {{"kind", "Nonsense"}}}}}}});
  See(claim);
  EXPECT_FALSE(Held());
  EXPECT_EQ(Written(0)[0]["conditions"][0]["type"], "dra.pci/PrepareFailed");
  EXPECT_EQ(Written(0)[0]["conditions"][0]["reason"], "Invalid");
}

TEST_F(EarlyPreparerTest, PreparesOneAllocationOnce) {
  See(Allocated());
  See(WithCondition(Allocated(), "dra.pci/Prepared", kStart));  // our own write comes back
  json reserved = Allocated();
  reserved["status"]["reservedFor"] = json::array({{{"name", "p"}}});
  See(reserved);
  EXPECT_THAT(api_.calls, SizeIs(1));
}

TEST_F(EarlyPreparerTest, DoesNotCountConditionsOfAnEarlierAllocation) {
  See(WithCondition(Allocated(), "dra.pci/Prepared", Rfc(-1)));
  EXPECT_THAT(api_.calls, SizeIs(1));
  EXPECT_EQ(Written(0)[0]["conditions"][0]["lastTransitionTime"], kStart);
}

TEST_F(EarlyPreparerTest, LeavesWhatIsAnsweredAloneAfterARestart) {
  See(WithCondition(Allocated(), "dra.pci/PrepareFailed", kStart));
  EXPECT_FALSE(Held());
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(EarlyPreparerTest, NeverWritesATimeBeforeTheAllocation) {
  See(Allocated(1));  // the API server's clock is an hour ahead
  EXPECT_EQ(Written(0)[0]["conditions"][0]["lastTransitionTime"], Rfc(1));
}

TEST_F(EarlyPreparerTest, ReleasesWhatWasPreparedForAnAllocationThatIsGone) {
  See(Allocated());
  listener_.released(kUid);
  EXPECT_FALSE(Held());
}

TEST_F(EarlyPreparerTest, ReleasesWhatIsStillBeingPreparedToo) {
  manager_.Hold();
  listener_.allocated(Allocated().dump());
  listener_.released(kUid);
  manager_.Release();
  loop_.Run();
  EXPECT_FALSE(Held());
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(EarlyPreparerTest, LeavesTheReleaseToTheKubeletOnceItHasCalled) {
  See(Allocated());
  preparer_->Claimed(kUid);
  listener_.released(kUid);
  EXPECT_TRUE(Held());
}

TEST_F(EarlyPreparerTest, LeavesTheReleaseToTheKubeletWhenItWasFirst) {
  preparer_->Claimed(kUid);
  See(Allocated());
  listener_.released(kUid);
  EXPECT_TRUE(Held());
}

TEST_F(EarlyPreparerTest, ReleasesNothingThatSomebodyHeldBefore) {
  manager_.Prepare(Request(), [](const Result<driver::PreparedClaim>&) {});
  See(Allocated());
  EXPECT_THAT(api_.calls, SizeIs(1));  // it is prepared: the scheduler may know
  listener_.released(kUid);
  EXPECT_TRUE(Held());
}

TEST_F(EarlyPreparerTest, PreparesTheNextAllocationInPlaceOfTheLast) {
  See(Allocated());
  See(Allocated(1, "pci-0000-02-00-0-vf3"));
  const auto record = manager_.FindClaim(kUid);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->request.devices[0].device, "pci-0000-02-00-0-vf3");
  ASSERT_THAT(api_.calls, SizeIs(2));
  EXPECT_EQ(Written(1)[0]["device"], "pci-0000-02-00-0-vf3");
}

TEST_F(EarlyPreparerTest, WritesAgainWhenTheServerRefusesUntilTheAllocationIsGone) {
  failure_ = Forbidden().error();
  See(Allocated());
  loop_.Advance(minutes(2));
  EXPECT_THAT(api_.calls, SizeIs(5));
  failure_.reset();
  loop_.Advance(seconds(30));
  EXPECT_THAT(api_.calls, SizeIs(6));
  EXPECT_EQ(loop_.timers(), 0u);
  failure_ = Forbidden().error();
  See(Allocated(1));
  listener_.released(kUid);
  loop_.Advance(minutes(10));
  EXPECT_THAT(api_.calls, SizeIs(7));
}

TEST_F(EarlyPreparerTest, IgnoresTextThatIsNoClaim) {
  listener_.allocated("{");
  json claim = Allocated();
  claim["metadata"]["uid"] = "../x";
  See(claim);
  EXPECT_THAT(api_.calls, IsEmpty());
}

TEST_F(EarlyPreparerTest, IsNotMissedWhenItIsGone) {
  manager_.Hold();
  listener_.allocated(Allocated().dump());
  preparer_.reset();
  manager_.Release();
  listener_.released(kUid);
  loop_.Advance(minutes(10));
  EXPECT_THAT(api_.calls, IsEmpty());
  EXPECT_TRUE(Held());  // the garbage collector's
}

}  // namespace
}  // namespace drapci::plugin::claims
