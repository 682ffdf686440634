#include "plugin/kube/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/kube/api.h"
#include "plugin/kube/one_line.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::seconds;

ApiFailure Answer(int status, std::string_view body, std::string_view retry_after = "") {
  return FailureFromAnswer("GET /x", status, body, retry_after, hal::WallTime(seconds(0)));
}

TEST(AnswerTest, NamesTheCausesThatTheMessageDoesNot) {
  const ApiFailure failure = Answer(422, R"({"kind":"Status","reason":"Invalid",
      "message":"slice is invalid:\n spec.pool: Required value",
      "details":{"causes":[{"field":"spec.pool","message":"Required value"},
                           {"field":"spec.devices[3].name","message":"too long"}]}})");
  EXPECT_EQ(failure.error.code, Code::kInvalid);
  EXPECT_EQ(failure.error.what,
            "GET /x: the API server answers 422 Invalid: slice is invalid: spec.pool: Required "
            "value; spec.devices[3].name: too long");
}

TEST(AnswerTest, TakesAnyBody) {
  EXPECT_EQ(Answer(500, "").error.what, "GET /x: the API server answers 500");
  EXPECT_EQ(Answer(502, "bad\r\n gateway\x01").error.what,
            "GET /x: the API server answers 502: bad gateway");
  for (const char* body :
       {"[]", "null", "7", R"({"reason":7,"message":{},"details":[]})",
        R"({"details":{"causes":{}}})", R"({"details":{"causes":[7,null,{"field":1}]}})"}) {
    EXPECT_EQ(Answer(500, body).error.what, "GET /x: the API server answers 500") << body;
  }
  EXPECT_LT(Answer(500, std::string(1'000'000, 'x')).error.what.size(), 500);
  EXPECT_EQ(Answer(500, std::string(1'000'000, '[')).status, 500);
}

TEST(AnswerTest, GivesEveryStatusItsCode) {
  const std::vector<std::pair<int, Code>> codes = {
      {400, Code::kInvalid}, {401, Code::kDenied},   {403, Code::kDenied}, {404, Code::kNotFound},
      {408, Code::kTimeout}, {409, Code::kConflict}, {410, Code::kGone},   {422, Code::kInvalid},
      {429, Code::kBusy},    {500, Code::kIo},       {503, Code::kIo},     {301, Code::kIo}};
  for (const auto& [status, code] : codes) EXPECT_EQ(Answer(status, "").error.code, code) << status;
}

TEST(AnswerTest, KnowsWhatMaySucceedLater) {
  for (const int status : {0, 401, 403, 408, 429, 500, 502, 503, 504}) {
    EXPECT_TRUE(ApiFailure{.status = status}.Retryable()) << status;
  }
  for (const int status : {200, 301, 400, 404, 409, 410, 415, 422}) {
    EXPECT_FALSE(ApiFailure{.status = status}.Retryable()) << status;
  }
}

TEST(AnswerTest, TakesTheServersWishFromTheHeaderElseFromTheStatus) {
  constexpr std::string_view kBody = R"({"details":{"retryAfterSeconds":3}})";
  EXPECT_EQ(Answer(429, kBody).retry_after, seconds(3));
  EXPECT_EQ(Answer(429, kBody, "5").retry_after, seconds(5));
  EXPECT_EQ(Answer(429, "").retry_after, std::nullopt);
}

TEST(AnswerTest, ReadsSecondsAndDates) {
  const hal::WallTime now(seconds(1'445'412'480));  // Wed, 21 Oct 2015 07:28:00 GMT
  const auto parse = [&](std::string_view text) { return ParseRetryAfter(text, now); };
  EXPECT_EQ(parse("120"), seconds(120));
  EXPECT_EQ(parse(" 0 "), seconds(0));
  EXPECT_EQ(parse("Wed, 21 Oct 2015 07:28:30 GMT"), seconds(30));
  EXPECT_EQ(parse("Wed, 21 Oct 2015 07:00:00 GMT"), seconds(0)) << "has passed";
  for (const char* bad : {"", "-1", "1.5", "soon", "Wed, 21 Oct 2015 07:28:30", "7 s",
                          "Wed, 32 Oct 2015 07:28:30 GMT", "Wed, 21 Okt 2015 07:28:30 GMT"}) {
    EXPECT_EQ(parse(bad), std::nullopt) << bad;
  }
}

TEST(AnswerTest, NeverWaitsForMoreThanAnHour) {
  for (const char* long_time : {"100000", "9223372036854775807", "99999999999999999999999",
                                "Fri, 01 Jan 2100 00:00:00 GMT"}) {
    EXPECT_EQ(ParseRetryAfter(long_time, hal::WallTime(seconds(0))), seconds(3600));
  }
}

TEST(AnswerTest, EncodesWhatAQueryDoesNotTake) {
  EXPECT_EQ(EncodeQuery("spec.driver=a/b,c d~-_."), "spec.driver%3Da%2Fb%2Cc%20d~-_.");
  EXPECT_EQ(EncodeQuery("\xc3\xa9%"), "%C3%A9%25");
}

TEST(AnswerTest, MakesOneLineOfAnything) {
  EXPECT_EQ(OneLine("  a\n\tb\x7f "), "a b");
  EXPECT_EQ(OneLine("abcdef", 3), "abc ...");
  EXPECT_EQ(OneLine("abc", 3), "abc");
  EXPECT_EQ(OneLine(""), "");
}

}  // namespace
}  // namespace drapci::plugin::kube
