// What the publisher does when the server refuses, fails or is away.
#include <gmock/gmock.h>

#include "test/unit/slices/publisher_fixture.h"

namespace drapci::plugin::slices {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

kube::ApiResult Status(int status, std::optional<seconds> retry_after = {}) {
  const Code code = status == 409   ? Code::kConflict
                    : status == 422 ? Code::kInvalid
                    : status == 403 ? Code::kDenied
                                    : Code::kIo;
  auto result = kube::FakeApi::Failure(status, code, "HTTP " + std::to_string(status));
  result.error().retry_after = retry_after;
  return result;
}

class PublisherFaultsTest : public PublisherFixture {
 protected:
  // The next `count` writes are answered so.
  void FailWrites(int count, const kube::ApiResult& answer) {
    server_.fault =
        [count, answer](const kube::ApiRequest& request) mutable -> std::optional<kube::ApiResult> {
      if (request.method == "GET" || count == 0) return std::nullopt;
      --count;
      return answer;
    };
  }
  size_t Lists() const {
    size_t lists = 0;
    for (const auto& call : server_.api.calls)
      lists += call.query.contains("fieldSelector") ? 1 : 0;
    return lists;
  }
};

TEST_F(PublisherFaultsTest, ListsAgainAtOnceAfterAConflict) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  const size_t lists = Lists();
  server_.watches_lag = true;
  server_.Edit(server_.Stored()[0].name,
               [](nlohmann::json& slice) { slice["metadata"]["labels"] = {{"a", "b"}}; });
  Writes();
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  Pass(milliseconds(30));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(Lists(), lists + 1);
  EXPECT_EQ(server_.devices(), 2U);
  EXPECT_EQ(counts().failures, 1U);
}

TEST_F(PublisherFaultsTest, SlowsDownWhenConflictsDoNotEnd) {
  cards_ = {PlainCard(1)};
  FailWrites(1000, Status(409));
  Start();
  Pass(seconds(60));
  EXPECT_LE(counts().failures, 12U);
  EXPECT_NE(publisher_->trouble(), "");
  server_.fault = nullptr;
  Pass(seconds(60));
  EXPECT_EQ(server_.devices(), 1U);
  EXPECT_EQ(publisher_->trouble(), "");
}

TEST_F(PublisherFaultsTest, AnUpdateOfASliceThatIsGoneWaitsForTheEndOfTheWipe) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  server_.watches_lag = true;
  server_.DeleteAll();
  Writes();
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  Pass(milliseconds(1'900));
  EXPECT_EQ(Writes(), 0U);
  Pass(milliseconds(1'300));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.devices(), 2U);
}

TEST_F(PublisherFaultsTest, WaitsAsLongAsTheServerAsks) {
  cards_ = {PlainCard(1)};
  FailWrites(1, Status(429, seconds(20)));
  Start();
  Pass(seconds(19));
  EXPECT_EQ(Writes(), 0U);
  EXPECT_THAT(publisher_->trouble(), HasSubstr("429"));
  Pass(seconds(15));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(publisher_->trouble(), "");
}

TEST_F(PublisherFaultsTest, TriesAgainEverLaterWhenTheServerFails) {
  cards_ = {PlainCard(1)};
  FailWrites(1000, Status(500));
  Start();
  Pass(std::chrono::minutes(10));
  EXPECT_GE(counts().failures, 10U);
  EXPECT_LE(counts().failures, 40U);
  server_.fault = nullptr;
  Pass(seconds(60));
  EXPECT_EQ(Writes(), 1U);
}

TEST_F(PublisherFaultsTest, DoesNotRepeatWhatTheServerHasRefused) {
  cards_ = {PlainCard(1), SriovCard(2, 2)};
  int refused = 0;
  server_.fault = [&refused](const kube::ApiRequest& request) -> std::optional<kube::ApiResult> {
    if (request.method == "GET" || request.body.contains("pci-0000-02-00-0")) return std::nullopt;
    ++refused;
    return Status(422);
  };
  Start();
  Pass(std::chrono::hours(2));
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(Writes(), 2U);  // the other pool is not concerned
  EXPECT_THAT(publisher_->trouble(), HasSubstr("422"));
  cards_.push_back(PlainCard(3));
  publisher_->Changed();
  Settle();
  EXPECT_EQ(refused, 2);  // it has changed
}

// Contract 10.6 case 1.
TEST_F(PublisherFaultsTest, AWriteThatPolicyForbidsIsToldAndTriedAgain) {
  cards_ = {PlainCard(1)};
  FailWrites(2, Status(403));
  Start();
  Pass(milliseconds(100));
  EXPECT_THAT(publisher_->trouble(), HasSubstr("403"));
  Pass(seconds(60));
  EXPECT_EQ(Writes(), 1U);
}

// Contract 10.3 cases 16 and 24.
TEST_F(PublisherFaultsTest, ReportsAnImpossiblePoolAndWritesTheOthers) {
  SliceDevice device;
  device.name = "d";
  Pool good{.name = "node1", .slices = {{.devices = {device}, .counter_sets = {}}}};
  Pool twice{.name = "node1/twice", .slices = {{.devices = {device, device}, .counter_sets = {}}}};
  device.consumes = {{.counter_set = "none", .counters = {{"c", 1}}}};
  Pool unknown{.name = "node1/unknown", .slices = {{.devices = {device}, .counter_sets = {}}}};
  extra_ = {good, twice, unknown};
  Start();
  Pass(std::chrono::hours(1));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_THAT(publisher_->trouble(), HasSubstr("is in the pool twice"));
  EXPECT_THAT(publisher_->trouble(), HasSubstr("takes from no counter set none"));
}

TEST_F(PublisherFaultsTest, CatchesUpWhenTheServerComesBack) {
  cards_ = {PlainCard(1)};
  server_.away = true;
  Start();
  Pass(std::chrono::hours(1));
  EXPECT_EQ(counts().creates, 0U);
  EXPECT_NE(publisher_->trouble(), "");
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  server_.away = false;
  Pass(seconds(90));
  EXPECT_EQ(Writes(), 1U);
  EXPECT_EQ(server_.devices(), 2U);
  EXPECT_EQ(publisher_->trouble(), "");
  EXPECT_THAT(server_.Stored()[0].metadata, HasSubstr("node-uid"));
}

TEST_F(PublisherFaultsTest, AWatchThatBreaksOffLosesNothing) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  for (int i = 0; i < 3; ++i) {
    const auto watches = std::exchange(server_.api.watches, {});
    for (const auto& [id, watch] : watches) watch.end(Status(0).error());
    Pass(seconds(60));
  }
  EXPECT_EQ(Writes(), 0U);
  EXPECT_EQ(publisher_->trouble(), "");
  server_.DeleteAll();
  Settle();
  EXPECT_EQ(Writes(), 1U);
}

TEST_F(PublisherFaultsTest, FindsAfterAServerRestartWhatWasDeletedMeanwhile) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  server_.watches_lag = true;
  server_.DeleteAll();
  server_.Restart();
  Pass(seconds(120));
  EXPECT_EQ(Writes(), 1U);
}

TEST_F(PublisherFaultsTest, StopsWhileCallsAreUnderWay) {
  cards_ = {SriovCard(1, 2), SriovCard(2, 2)};
  Start();
  publisher_.reset();
  Settle();
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(PublisherFaultsTest, DoesNotFightAWebhookThatChangesWhatIsStored) {
  cards_ = {PlainCard(1)};
  server_.webhook = [](nlohmann::json& slice) {
    slice["spec"]["devices"][0]["attributes"]["zone"] = {{"string", "a"}};
  };
  Start();
  Pass(std::chrono::hours(1));
  EXPECT_EQ(Writes(), 1U);
  cards_.push_back(PlainCard(2));
  publisher_->Changed();
  Pass(std::chrono::hours(1));
  EXPECT_EQ(Writes(), 1U);
}

}  // namespace
}  // namespace drapci::plugin::slices
