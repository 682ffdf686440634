#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/claims/status.h"
#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StatusWriterTest : public testing::Test {
 protected:
  StatusWriterTest() {
    api_.answer = [this](const kube::ApiRequest&) -> kube::ApiResult {
      if (failure_) return std::unexpected(*failure_);
      return "{}";
    };
  }
  void Fail(kube::ApiResult failure) { failure_ = failure.error(); }
  void Write(const std::string& message, const driver::ClaimRequest& claim = Request(),
             StatusWriter::Part part = StatusWriter::Part::kState) {
    DeviceStatus device;
    device.pool = "p";
    device.device = "d";
    device.conditions = {
        {.type = "Ready", .status = "True", .reason = "Prepared", .message = message}};
    writer_->Write(claim, {device}, [this](Result<> result) { results_.push_back(result); }, part);
  }
  json Condition(size_t call) const {
    return json::parse(api_.calls.at(call).body)["status"]["devices"][0]["conditions"][0];
  }
  std::vector<std::string> Messages() const {
    std::vector<std::string> messages;
    for (size_t i = 0; i < api_.calls.size(); ++i) messages.push_back(Condition(i)["message"]);
    return messages;
  }

  kube::FakeLoop loop_;
  TestApi api_{loop_};
  std::optional<kube::ApiFailure> failure_;
  std::unique_ptr<StatusWriter> writer_ = std::make_unique<StatusWriter>(loop_, api_, "dra.pci", 1);
  std::vector<Result<>> results_;
};

TEST_F(StatusWriterTest, AppliesOnTheServersSideAndTakesWhatItOwns) {
  Write("a");
  EXPECT_THAT(results_, IsEmpty());
  loop_.Run();
  ASSERT_THAT(api_.calls, SizeIs(1));
  EXPECT_EQ(api_.calls[0].method, "PATCH");
  EXPECT_EQ(api_.calls[0].path, std::string(kClaimPath) + "/status");
  EXPECT_EQ(api_.calls[0].query, "fieldManager=dra.pci&force=true");
  EXPECT_EQ(api_.calls[0].content_type, "application/apply-patch+yaml");
  EXPECT_EQ(json::parse(api_.calls[0].body)["metadata"]["uid"], kUid);
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_TRUE(results_[0].has_value());
}

TEST_F(StatusWriterTest, WritesTheNewestOfSeveralForOneClaim) {
  Write("a");  // on its way
  Write("b");
  Write("c");
  loop_.Run();
  EXPECT_THAT(Messages(), ElementsAre("a", "c"));
  EXPECT_THAT(results_, SizeIs(3));
}

TEST_F(StatusWriterTest, KeepsTheTimeOfAConditionThatStays) {
  Write("a");
  loop_.Advance(minutes(5));
  Write("b");
  loop_.Run();
  EXPECT_EQ(Condition(1)["message"], "b");
  EXPECT_EQ(Condition(1)["lastTransitionTime"], kStart);
}

TEST_F(StatusWriterTest, KeepsItsTwoPartsApart) {
  Write("a");
  Write("b", Request(), StatusWriter::Part::kBinding);
  loop_.Run();
  ASSERT_THAT(api_.calls, SizeIs(2));
  EXPECT_EQ(api_.calls[1].query, "fieldManager=dra.pci-binding&force=true");
}

TEST_F(StatusWriterTest, TriesAgainWhenTheServerIsAwayAndWritesTheNewest) {
  Fail(NoAnswer());
  Write("a");
  loop_.Advance(seconds(30));
  EXPECT_GT(api_.calls.size(), 2u);
  EXPECT_LT(api_.calls.size(), 10u);
  EXPECT_THAT(results_, IsEmpty());
  Write("b");
  failure_.reset();
  loop_.Advance(minutes(2));
  EXPECT_EQ(Messages().back(), "b");
  EXPECT_THAT(results_, SizeIs(2));
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(StatusWriterTest, GivesUpAfterTenMinutes) {
  Fail(NoAnswer());
  Write("a");
  loop_.Advance(minutes(12));
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_FALSE(results_[0].has_value());
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(StatusWriterTest, TellsARefusalOnceAndHowToPermitIt) {  // contract 10.6
  Fail(Forbidden());
  testing::internal::CaptureStderr();
  Write("a");
  loop_.Run();
  Write("b", Request(kOtherUid));
  loop_.Run();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("'patch' on resourceclaims/status"));
  EXPECT_THAT(log, HasSubstr("'associated-node:patch' on resourceclaims/driver 'dra.pci'"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1);
  ASSERT_THAT(results_, SizeIs(2));
  EXPECT_EQ(results_[0].error().code, Code::kDenied);
  EXPECT_THAT(api_.calls, SizeIs(2));  // and not again
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(StatusWriterTest, LeavesAClaimThatIsGoneOrReplacedAlone) {
  Fail(NotFound());
  Write("a");
  loop_.Run();
  Fail(kube::FakeApi::Failure(409, Code::kConflict, "Conflict"));
  Write("b");
  loop_.Advance(minutes(1));
  EXPECT_THAT(api_.calls, SizeIs(2));
  ASSERT_THAT(results_, SizeIs(2));
  EXPECT_EQ(results_[0].error().code, Code::kNotFound);
  EXPECT_EQ(results_[1].error().code, Code::kConflict);
}

TEST_F(StatusWriterTest, DoesNotRepeatWhatTheServerCallsInvalid) {
  Fail(kube::FakeApi::Failure(422, Code::kInvalid, "Invalid"));
  Write("a");
  loop_.Advance(minutes(1));
  EXPECT_THAT(api_.calls, SizeIs(1));
  EXPECT_THAT(results_, SizeIs(1));
}

TEST_F(StatusWriterTest, WritesNothingForClaimsOfTheCommandLine) {
  Write("a", Request("cli-my-claim"));
  loop_.Run();
  EXPECT_THAT(api_.calls, IsEmpty());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_TRUE(results_[0].has_value());
}

TEST_F(StatusWriterTest, SendsFewAtATime) {
  for (int i = 0; i < 100; ++i) {
    Write("a", Request(fmt::format("2b1c7f6e-0d55-4a43-9f5a-0000000000{:02}", i)));
  }
  EXPECT_THAT(api_.calls, SizeIs(4));
  loop_.Run();
  EXPECT_THAT(api_.calls, SizeIs(100));
  EXPECT_THAT(results_, SizeIs(100));
}

TEST_F(StatusWriterTest, CallsNobodyWhenItIsGone) {
  Fail(NoAnswer());
  Write("a");
  Write("b", Request("cli-my-claim"));
  loop_.Run();
  results_.clear();
  Write("c", Request(kOtherUid));
  writer_.reset();
  loop_.Advance(minutes(20));
  EXPECT_THAT(results_, IsEmpty());
}

}  // namespace
}  // namespace drapci::plugin::claims
