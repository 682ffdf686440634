#include "plugin/kube/reflector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "test/unit/kube/fake_api.h"
#include "test/unit/kube/fake_loop.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Object(std::string_view name, int version) {
  return fmt::format(R"({{"metadata":{{"name":"{}","resourceVersion":"{}"}}}})", name, version);
}
std::string Event(std::string_view type, std::string_view name, int version) {
  return fmt::format(R"({{"type":"{}","object":{}}})", type, Object(name, version));
}
std::string List(int version, std::string_view items, std::string_view next = "") {
  return fmt::format(R"({{"metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})",
                     version, next, items);
}
ApiFailure Ended(int status) {
  ApiFailure failure;
  failure.status = status;
  failure.error = {.code = Code::kIo, .sys = 0, .what = fmt::format("ended with {}", status)};
  return failure;
}

class ReflectorTest : public testing::Test {
 protected:
  ReflectorTest() {
    api_.answer = [this](const ApiRequest&) {
      if (answers_.empty()) return ApiResult(List(1, ""));
      ApiResult answer = std::move(answers_.front());
      answers_.pop_front();
      return answer;
    };
    reflector_.emplace(
        loop_, api_, Reflector::Source{.path = "/apis/x", .selector = "fieldSelector=a"},
        Reflector::Listener{
            .listed = [this](auto objects) { lists_.push_back(std::move(objects)); },
            .changed =
                [this](Reflector::Change change, std::string object) {
                  changes_.emplace_back(change, std::move(object));
                },
            .failed =
                [this](const ApiFailure& failure) { failures_.push_back(failure.error.what); }},
        1);
  }

  void Start() {
    reflector_->Start();
    loop_.Run();
  }
  FakeApi::OpenWatch& Watch() { return api_.watches.begin()->second; }
  void Tell(const std::string& line) {
    const auto event = Watch().event;
    event(line);
    loop_.Run();
  }
  void End(ApiFailure failure) {
    const auto node = api_.watches.extract(api_.watches.begin());
    node.mapped().end(std::move(failure));
    loop_.Run();
  }

  FakeLoop loop_;
  FakeApi api_{loop_};
  std::deque<ApiResult> answers_;
  std::vector<std::vector<std::string>> lists_;
  std::vector<std::pair<Reflector::Change, std::string>> changes_;
  std::vector<std::string> failures_;
  std::optional<Reflector> reflector_;
};

TEST_F(ReflectorTest, ListsAndThenWatchesFromThere) {
  answers_.push_back(List(7, Object("a", 5) + "," + Object("b", 6)));
  EXPECT_FALSE(reflector_->current());
  Start();
  ASSERT_EQ(api_.calls.size(), 1);
  EXPECT_EQ(api_.calls[0].path, "/apis/x");
  EXPECT_EQ(api_.calls[0].query, "limit=500&fieldSelector=a");
  EXPECT_THAT(lists_, ElementsAre(ElementsAre(Object("a", 5), Object("b", 6))));
  ASSERT_EQ(api_.watches.size(), 1);
  EXPECT_THAT(Watch().request.query,
              AllOf(HasSubstr("watch=true&allowWatchBookmarks=true&resourceVersion=7&"
                              "timeoutSeconds="),
                    HasSubstr("&fieldSelector=a")));
  EXPECT_TRUE(reflector_->current());
}

TEST_F(ReflectorTest, PutsPagesTogetherAndWatchesFromTheFirst) {
  answers_.push_back(List(7, Object("a", 1), "more/2"));
  answers_.push_back(List(7, Object("b", 2), "more3"));
  answers_.push_back(List(8, Object("c", 3)));
  Start();
  ASSERT_EQ(api_.calls.size(), 3);
  EXPECT_EQ(api_.calls[1].query, "limit=500&fieldSelector=a&continue=more%2F2");
  EXPECT_THAT(lists_, ElementsAre(ElementsAre(Object("a", 1), Object("b", 2), Object("c", 3))));
  EXPECT_THAT(Watch().request.query, HasSubstr("resourceVersion=7&"));
}

TEST_F(ReflectorTest, BeginsTheListAgainWhenTheRestOfItHasExpired) {
  answers_.push_back(List(7, Object("a", 1), "more"));
  answers_.push_back(FakeApi::Failure(410, Code::kGone, "Expired"));
  answers_.push_back(List(9, Object("b", 8)));
  Start();
  ASSERT_EQ(api_.calls.size(), 3);
  EXPECT_THAT(api_.calls[2].query, Not(HasSubstr("continue")));
  EXPECT_THAT(lists_, ElementsAre(ElementsAre(Object("b", 8))));
}

TEST_F(ReflectorTest, TellsChangesAndResumesAfterTheLastWhenTheServerEndsTheWatch) {
  Start();
  Tell(Event("ADDED", "a", 2));
  Tell(Event("MODIFIED", "a", 3));
  Tell(Event("DELETED", "a", 4));
  EXPECT_THAT(changes_, ElementsAre(std::pair(Reflector::Change::kAdded, Object("a", 2)),
                                    std::pair(Reflector::Change::kModified, Object("a", 3)),
                                    std::pair(Reflector::Change::kDeleted, Object("a", 4))));
  loop_.Advance(seconds(300));
  End(Ended(200));
  ASSERT_EQ(api_.watches.size(), 1) << "at once";
  EXPECT_THAT(Watch().request.query, HasSubstr("resourceVersion=4&"));
  EXPECT_TRUE(reflector_->current());
  EXPECT_EQ(api_.calls.size(), 1) << "no second list";
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(ReflectorTest, ResumesAfterABookmark) {
  Start();
  Tell(R"({"type":"BOOKMARK","object":{"kind":"X","metadata":{"resourceVersion":"1234"}}})");
  EXPECT_THAT(changes_, IsEmpty());
  loop_.Advance(seconds(300));
  End(Ended(200));
  EXPECT_THAT(Watch().request.query, HasSubstr("resourceVersion=1234&"));
}

TEST_F(ReflectorTest, DoesNotRunHotOnAServerThatEndsEveryWatchAtOnce) {
  Start();
  int watches = 0;
  for (int second = 0; second < 600; ++second) {
    while (!api_.watches.empty()) {
      ++watches;
      End(Ended(200));
    }
    loop_.Advance(seconds(1));
  }
  EXPECT_GT(watches, 20);
  EXPECT_LT(watches, 50);
}

TEST_F(ReflectorTest, ListsAgainAtOnceWhenTheWatchHasExpired) {
  Start();
  answers_.push_back(List(50, Object("b", 49)));
  Tell(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})");
  EXPECT_EQ(api_.calls.size(), 2);
  ASSERT_EQ(lists_.size(), 2);
  EXPECT_THAT(lists_[1], ElementsAre(Object("b", 49)));
  ASSERT_EQ(api_.watches.size(), 1) << "the old one is gone";
  EXPECT_THAT(Watch().request.query, HasSubstr("resourceVersion=50&"));

  loop_.Advance(seconds(60));
  End(Ended(410));
  EXPECT_EQ(api_.calls.size(), 3) << "also when the answer itself is 410";
}

TEST_F(ReflectorTest, DoesNotRunHotOnAServerThatSays410ToEveryWatch) {
  Start();
  for (int second = 0; second < 600; ++second) {
    while (!api_.watches.empty()) End(Ended(410));
    loop_.Advance(seconds(1));
  }
  EXPECT_GT(api_.calls.size(), 20);
  EXPECT_LT(api_.calls.size(), 50);
}

TEST_F(ReflectorTest, ResumesWithBackOffWhenAWatchBreaks) {
  Start();
  Tell(Event("ADDED", "a", 2));
  loop_.Advance(seconds(60));
  End(Ended(0));
  EXPECT_FALSE(reflector_->current());
  EXPECT_THAT(failures_, ElementsAre("ended with 0"));
  EXPECT_TRUE(api_.watches.empty());
  loop_.Advance(milliseconds(500));
  ASSERT_EQ(api_.watches.size(), 1);
  EXPECT_THAT(Watch().request.query, HasSubstr("resourceVersion=2&"));
  EXPECT_EQ(api_.calls.size(), 1);
  EXPECT_FALSE(reflector_->current()) << "nobody has answered yet";
  Tell(Event("MODIFIED", "a", 3));
  EXPECT_TRUE(reflector_->current());
}

TEST_F(ReflectorTest, TakesAResumedWatchThatIsNotRefusedForCurrent) {
  Start();
  loop_.Advance(seconds(60));
  End(Ended(503));
  loop_.Advance(seconds(1));
  EXPECT_FALSE(reflector_->current());
  loop_.Advance(seconds(12));
  EXPECT_TRUE(reflector_->current());
}

TEST_F(ReflectorTest, WaitsAsLongAsTheServerAsksFor) {
  Start();
  ApiFailure busy = Ended(429);
  busy.retry_after = seconds(40);
  End(busy);
  loop_.Advance(seconds(39));
  EXPECT_TRUE(api_.watches.empty());
  loop_.Advance(seconds(1));
  EXPECT_EQ(api_.watches.size(), 1);
}

TEST_F(ReflectorTest, ListsWithBackOffUntilTheServerAnswers) {
  for (int i = 0; i < 20; ++i) answers_.push_back(FakeApi::Failure(0, Code::kIo, "refused"));
  Start();
  EXPECT_EQ(api_.calls.size(), 1);
  loop_.Advance(seconds(60));
  EXPECT_GT(api_.calls.size(), 6);
  EXPECT_LT(api_.calls.size(), 12);
  EXPECT_THAT(lists_, IsEmpty());
  loop_.Advance(seconds(600));
  EXPECT_EQ(lists_.size(), 1);
  EXPECT_TRUE(reflector_->current());

  // What fails later starts from the short delay again.
  loop_.Advance(seconds(60));
  End(Ended(0));
  loop_.Advance(milliseconds(500));
  EXPECT_EQ(api_.watches.size(), 1);
}

TEST_F(ReflectorTest, ListsAgainWhenItCannotMakeSenseOfAnEvent) {
  Start();
  Tell("no json");
  EXPECT_TRUE(api_.watches.empty()) << "the watch is cancelled";
  EXPECT_FALSE(reflector_->current());
  ASSERT_EQ(failures_.size(), 1);
  EXPECT_THAT(failures_[0], HasSubstr("/apis/x: is no JSON"));
  loop_.Advance(milliseconds(500));
  EXPECT_EQ(api_.calls.size(), 2);
  EXPECT_EQ(api_.watches.size(), 1);
}

TEST_F(ReflectorTest, ListsAgainWhenItCannotMakeSenseOfAList) {
  answers_.push_back(ApiResult("[]"));
  Start();
  ASSERT_EQ(failures_.size(), 1);
  EXPECT_THAT(lists_, IsEmpty());
  loop_.Advance(milliseconds(500));
  EXPECT_EQ(lists_.size(), 1);
}

TEST_F(ReflectorTest, ListsAgainOnAFailureThatRepeatingDoesNotHelp) {
  Start();
  End(Ended(400));
  loop_.Advance(milliseconds(500));
  EXPECT_EQ(api_.calls.size(), 2);
}

TEST_F(ReflectorTest, GivesUpAPagedListThatNeverEnds) {
  std::string items = Object("a", 1);
  for (int i = 1; i < 1000; ++i) items += "," + Object("a", 1);
  api_.answer = [&](const ApiRequest&) { return ApiResult(List(1, items, "more")); };
  Start();
  EXPECT_EQ(api_.calls.size(), 101);
  ASSERT_EQ(failures_.size(), 1);
  EXPECT_THAT(failures_[0], HasSubstr("more than 100000 objects"));
}

TEST_F(ReflectorTest, CanBeDestroyedInEveryState) {
  reflector_->Start();
  reflector_.reset();  // a list is under way
  loop_.Advance(seconds(100));
  EXPECT_THAT(lists_, IsEmpty());
  EXPECT_EQ(loop_.timers(), 0);
}

TEST_F(ReflectorTest, CanBeDestroyedWhileItWatchesOrWaits) {
  Start();
  End(Ended(0));
  reflector_.reset();
  EXPECT_EQ(loop_.timers(), 0);
  EXPECT_TRUE(api_.watches.empty());
}

TEST_F(ReflectorTest, CanBeDestroyedInItsCallbacks) {
  std::optional<Reflector> reflector;
  reflector.emplace(loop_, api_, Reflector::Source{.path = "/apis/y"},
                    Reflector::Listener{.listed = [&](const auto&) { reflector.reset(); },
                                        .changed = [](Reflector::Change, const std::string&) {},
                                        .failed = [](const ApiFailure&) {}},
                    1);
  reflector->Start();
  loop_.Run();
  EXPECT_FALSE(reflector);
  EXPECT_TRUE(api_.watches.empty());
}

}  // namespace
}  // namespace drapci::plugin::kube
