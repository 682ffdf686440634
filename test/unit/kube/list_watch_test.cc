#include "plugin/kube/list_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/kube/line_splitter.h"
#include "plugin/kube/token_bucket.h"

namespace drapci::plugin::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ListWatchTest, TakesTheObjectsOutOfAList) {
  const auto page = ParseListPage(R"({"kind":"List","metadata":{"resourceVersion":"7",
      "continue":"more"},"items":[{"metadata":{"name":"a","managedFields":[{"x":1}]}},{"b":2}]})");
  ASSERT_TRUE(page) << page.error().what;
  EXPECT_EQ(page->resource_version, "7");
  EXPECT_EQ(page->next, "more");
  EXPECT_THAT(page->objects, ElementsAre(R"({"metadata":{"name":"a"}})", R"({"b":2})"));
}

TEST(ListWatchTest, KeepsWholeNumbersOf64Bits) {
  const auto page = ParseListPage(R"({"metadata":{"resourceVersion":"7"},
      "items":[{"a":9223372036854775807,"b":-9223372036854775808}]})");
  ASSERT_TRUE(page);
  EXPECT_THAT(page->objects, ElementsAre(R"({"a":9223372036854775807,"b":-9223372036854775808})"));
}

TEST(ListWatchTest, TakesAListWithoutItems) {
  for (const char* body : {R"({"metadata":{"resourceVersion":"7"},"items":null})",
                           R"({"metadata":{"resourceVersion":"7"},"items":[]})",
                           R"({"metadata":{"resourceVersion":"7"}})"}) {
    const auto page = ParseListPage(body);
    ASSERT_TRUE(page) << body;
    EXPECT_THAT(page->objects, IsEmpty());
  }
}

TEST(ListWatchTest, RefusesListsThatMakeNoSense) {
  const auto what = [](std::string_view body) {
    const auto page = ParseListPage(body);
    return page ? "accepted" : page.error().what;
  };
  EXPECT_THAT(what(""), HasSubstr("no JSON"));
  EXPECT_THAT(what("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(what("{"), HasSubstr("no JSON"));
  EXPECT_THAT(what("{}"), HasSubstr("metadata"));
  EXPECT_THAT(what(R"({"metadata":{}})"), HasSubstr("resourceVersion"));
  EXPECT_THAT(what(R"({"metadata":{"resourceVersion":7}})"), HasSubstr("resourceVersion"));
  EXPECT_THAT(what(R"({"metadata":{"resourceVersion":"7"},"items":{}})"), HasSubstr("items"));
  EXPECT_THAT(what(R"({"metadata":{"resourceVersion":"7"},"items":[{},7]})"),
              HasSubstr("items[1]"));
  EXPECT_THAT(what(R"({"a":")"
                   "\xff"
                   R"("})"),
              HasSubstr("no JSON"));
  EXPECT_THAT(what(R"({"a":)" + std::string(100'000, '[')), HasSubstr("nested deeper"));
}

TEST(ListWatchTest, TellsTheEventsOfAWatchApart) {
  const auto parse = [](std::string_view type) {
    return ParseWatchEvent(
        R"({"type":")" + std::string(type) + R"(","object":{"metadata":{"resourceVersion":"9"}}})",
        "watching /x");
  };
  EXPECT_EQ(parse("ADDED")->type, WatchEvent::Type::kAdded);
  EXPECT_EQ(parse("MODIFIED")->type, WatchEvent::Type::kModified);
  EXPECT_EQ(parse("DELETED")->type, WatchEvent::Type::kDeleted);
  EXPECT_EQ(parse("DELETED")->object, R"({"metadata":{"resourceVersion":"9"}})");
  EXPECT_EQ(parse("BOOKMARK")->type, WatchEvent::Type::kBookmark);
  EXPECT_EQ(parse("BOOKMARK")->resource_version, "9");
  EXPECT_THAT(parse("NEWS").error().what, HasSubstr("unknown 'NEWS'"));
}

TEST(ListWatchTest, ReadsAnErrorInsideOfAWatch) {
  const auto event = ParseWatchEvent(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}})",
      "watching /x");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, WatchEvent::Type::kError);
  EXPECT_EQ(event->failure.status, 410);
  EXPECT_EQ(event->failure.error.what, "watching /x: the API server answers 410 Expired: old");
  EXPECT_EQ(ParseWatchEvent(R"({"type":"ERROR","object":{}})", "x")->failure.status, 500);
}

TEST(ListWatchTest, RefusesEventsThatMakeNoSense) {
  for (const char* line : {"", "x", "[]", "{}", R"({"type":7})", R"({"type":"ADDED"})",
                           R"({"type":"ADDED","object":[]})", R"({"type":"ADDED","object":{}})",
                           R"({"type":"ADDED","object":{"metadata":{}}})",
                           R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}})"}) {
    EXPECT_FALSE(ParseWatchEvent(line, "x")) << line;
  }
}

TEST(LineSplitterTest, FindsTheSameLinesHoweverTheStreamIsCut) {
  const std::string stream = "first\nsecond\r\n\nthird line\nrest";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    LineSplitter splitter(100);
    std::vector<std::string> lines;
    for (size_t at = 0; at < stream.size(); at += piece) {
      EXPECT_TRUE(splitter.Add(std::string_view(stream).substr(at, piece)));
      for (std::string line; splitter.Next(line);) lines.push_back(line);
    }
    EXPECT_THAT(lines, ElementsAre("first", "second", "third line")) << piece;
  }
}

TEST(TokenBucketTest, GivesABurstAndThenItsRate) {
  TokenBucket bucket(50, 2);
  hal::MonotonicTime now{};
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_FALSE(bucket.Take(now));
  EXPECT_EQ(bucket.Wait(), std::chrono::milliseconds(20));
  EXPECT_TRUE(bucket.Take(now += bucket.Wait()));
  EXPECT_FALSE(bucket.Take(now));
  now += std::chrono::hours(1);
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_FALSE(bucket.Take(now));
}

}  // namespace
}  // namespace drapci::plugin::kube
