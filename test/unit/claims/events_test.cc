#include "plugin/claims/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class EventsTest : public testing::Test {
 protected:
  EventsTest() {
    api_.answer = [this](const kube::ApiRequest&) -> kube::ApiResult {
      if (failure_) return std::unexpected(*failure_);
      return "{}";
    };
  }
  void Fail(kube::ApiResult failure) { failure_ = failure.error(); }
  static EventSubject Subject() {
    return {.api_version = "resource.k8s.io/v1",
            .kind = "ResourceClaim",
            .namespace_name = "default",
            .name = "my-claim",
            .uid = kUid};
  }
  void Tell(const std::string& note) { events_.Tell(Subject(), false, "ClaimReleased", note); }
  json Body(size_t call) const { return json::parse(api_.calls.at(call).body); }

  kube::FakeLoop loop_;
  TestApi api_{loop_};
  std::optional<kube::ApiFailure> failure_;
  Events events_{loop_, api_, "dra.pci", "node1"};
};

TEST_F(EventsTest, TellsWhatTheApiAsksFor) {
  Tell("it is free again");
  loop_.Run();
  ASSERT_THAT(api_.calls, SizeIs(1));
  EXPECT_EQ(api_.calls[0].method, "POST");
  EXPECT_EQ(api_.calls[0].path, "/apis/events.k8s.io/v1/namespaces/default/events");
  EXPECT_EQ(Body(0), json::parse(R"({
      "apiVersion": "events.k8s.io/v1", "kind": "Event",
      "metadata": {"generateName": "my-claim.", "namespace": "default"},
      "eventTime": "2027-01-15T08:00:00.000000Z",
      "reportingController": "dra.pci", "reportingInstance": "node1",
      "action": "ClaimReleased", "reason": "ClaimReleased", "type": "Normal",
      "regarding": {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
                    "namespace": "default", "name": "my-claim",
                    "uid": "2b1c7f6e-0d55-4a43-9f5a-1f0f8f2d8a11"},
      "note": "it is free again"})"));
}

TEST_F(EventsTest, TellsOfTheNodeInTheDefaultNamespace) {
  events_.Tell(
      {.api_version = "v1", .kind = "Node", .namespace_name = "", .name = "node1", .uid = ""}, true,
      "Trouble", "a card is gone");
  loop_.Run();
  EXPECT_EQ(api_.calls[0].path, "/apis/events.k8s.io/v1/namespaces/default/events");
  EXPECT_EQ(Body(0)["type"], "Warning");
  EXPECT_FALSE(Body(0)["regarding"].contains("namespace"));
}

TEST_F(EventsTest, CountsTheSameEventAndSendsItAgainAfterTenMinutes) {
  for (int i = 0; i < 5; ++i) Tell("again");
  loop_.Run();
  EXPECT_THAT(api_.calls, SizeIs(1));
  loop_.Advance(minutes(10));
  Tell("again");
  loop_.Run();
  ASSERT_THAT(api_.calls, SizeIs(2));
  EXPECT_EQ(Body(1)["note"], "again (and 4 times more since it was told last)");
}

TEST_F(EventsTest, CutsANoteThatIsTooLong) {
  Tell(std::string(5000, 'x') + "\n");
  loop_.Run();
  EXPECT_EQ(Body(0)["note"].get<std::string>().size(), 1024u);
}

TEST_F(EventsTest, LetsFewWait) {
  Fail(NoAnswer());
  for (int i = 0; i < 100; ++i) Tell(std::to_string(i));
  loop_.Run();
  failure_.reset();
  loop_.Advance(minutes(1));
  EXPECT_THAT(api_.calls, SizeIs(33));  // the first one twice
}

TEST_F(EventsTest, TellsARefusalOnce) {
  Fail(Forbidden());
  testing::internal::CaptureStderr();
  Tell("a");
  Tell("b");
  loop_.Advance(minutes(30));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("allow 'create' on events"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1);
  EXPECT_THAT(api_.calls, SizeIs(2));
}

TEST_F(EventsTest, DropsAnEventThatCannotBeSentForLong) {
  Fail(NoAnswer());
  Tell("a");
  loop_.Advance(minutes(60));
  const size_t calls = api_.calls.size();
  EXPECT_LT(calls, 15u);
  failure_.reset();
  Tell("b");
  loop_.Run();
  EXPECT_EQ(api_.calls.size(), calls + 1);
  EXPECT_EQ(Body(calls)["note"], "b");
}

}  // namespace
}  // namespace drapci::plugin::claims
