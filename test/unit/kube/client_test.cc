#include "plugin/kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "test/unit/kube/fake_loop.h"
#include "test/unit/kube/fake_transport.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ClientTest : public testing::Test {
 protected:
  ClientTest() {
    credentials_.server = "https://api:6443";
    credentials_.token.data = "first";
    Begin({});
  }

  void Begin(ClientOptions options) {
    client_.emplace(
        loop_,
        [this]() -> Result<Credentials> {
          ++asked_;
          if (absent_) return Fail(Code::kNotFound, "/etc/drapci/kubeconfig: ENOENT (none)");
          return credentials_;
        },
        server_.Maker(), std::move(options));
  }

  // Begins a call whose result ends up in results_.
  Api::CallId Call(ApiRequest request) {
    const size_t at = results_.size();
    results_.emplace_back();
    const Api::CallId id = client_->Call(
        std::move(request), [this, at](ApiResult result) { results_[at] = std::move(result); });
    loop_.Run();
    return id;
  }
  Api::CallId Get(std::string path) { return Call({.path = std::move(path)}); }

  Api::CallId Watch(milliseconds silence = seconds(300)) {
    const Api::CallId id = client_->Watch(
        {.path = "/watched", .query = "watch=true"}, silence,
        [this](std::string_view line) { lines_.emplace_back(line); },
        [this](ApiFailure end) { end_ = std::move(end); });
    loop_.Run();
    return id;
  }

  FakeLoop loop_;
  FakeServer server_;
  Credentials credentials_;
  bool absent_ = false;
  int asked_ = 0;
  std::optional<Client> client_;
  std::vector<std::optional<ApiResult>> results_;
  std::vector<std::string> lines_;
  std::optional<ApiFailure> end_;
};

TEST_F(ClientTest, SendsWhatTheCallSaysAndWhoIsCalling) {
  Begin({.version = "1.2", .node = "node-a"});
  Call({.method = "PATCH",
        .path = "/apis/x",
        .query = "force=true",
        .body = "{}",
        .content_type = "application/apply-patch+yaml"});
  ASSERT_EQ(server_.open.size(), 1);
  const auto& sent = server_.oldest();
  EXPECT_EQ(sent.request.method, "PATCH");
  EXPECT_EQ(sent.request.target, "/apis/x?force=true");
  EXPECT_EQ(sent.request.body, "{}");
  EXPECT_EQ(sent.Header("User-Agent"), "drapci/1.2 (node-a)");
  EXPECT_EQ(sent.Header("Accept"), "application/json");
  EXPECT_EQ(sent.Header("Content-Type"), "application/apply-patch+yaml");
  EXPECT_EQ(sent.Header("Authorization"), "Bearer first");
  server_.Answer(200, "answer");
  EXPECT_EQ(**results_[0], "answer");
}

TEST_F(ClientTest, NeverCallsBackFromWithinTheCall) {
  absent_ = true;
  bool called = false;
  client_->Call({.path = "/a"}, [&](const ApiResult&) { called = true; });
  EXPECT_FALSE(called);
  loop_.Run();
  EXPECT_TRUE(called);
}

TEST_F(ClientTest, FailsWithTheReasonWhileThereAreNoCredentialsAndLooksAgain) {
  absent_ = true;
  Get("/a");
  ASSERT_TRUE(results_[0]);
  const ApiFailure& failure = results_[0]->error();
  EXPECT_EQ(failure.status, 0);
  EXPECT_TRUE(failure.Retryable());
  EXPECT_EQ(failure.error.code, Code::kIo) << "a missing file is no missing object";
  EXPECT_THAT(failure.error.what, AllOf(HasSubstr("GET /a"), HasSubstr("kubeconfig: ENOENT")));
  absent_ = false;
  Get("/b");
  server_.Answer(200, "now");
  EXPECT_TRUE(results_[1]->has_value());
}

TEST_F(ClientTest, RepeatsACallOnceWithCredentialsReadAnewWhenTheServerSays401) {
  Get("/a");
  EXPECT_EQ(asked_, 1);
  credentials_.token.data = "second";
  server_.Answer(401, "");
  loop_.Run();
  EXPECT_EQ(asked_, 2);
  ASSERT_EQ(server_.open.size(), 1);
  EXPECT_EQ(server_.oldest().Header("Authorization"), "Bearer second");
  EXPECT_EQ(server_.transports, 1) << "a token needs no other connection";
  server_.Answer(200, "");
  EXPECT_TRUE(results_[0]->has_value());
}

TEST_F(ClientTest, GivesUpAfterTheSecond401) {
  Get("/a");
  server_.Answer(401, "");
  loop_.Run();
  server_.Answer(401, R"({"kind":"Status","reason":"Unauthorized","message":"Unauthorized"})");
  loop_.Run();
  ASSERT_TRUE(results_[0]);
  EXPECT_EQ(results_[0]->error().status, 401);
  EXPECT_EQ(results_[0]->error().error.code, Code::kDenied);
  EXPECT_TRUE(server_.open.empty());
  EXPECT_THAT(results_[0]->error().error.what, Not(HasSubstr("first"))) << "no token in texts";
}

TEST_F(ClientTest, RepeatsAWatchThatIsRefusedWith401) {
  Watch();
  server_.Answer(401, "");
  loop_.Run();
  ASSERT_EQ(server_.open.size(), 1);
  server_.Data("{}\n");
  EXPECT_THAT(lines_, ElementsAre("{}"));
}

TEST_F(ClientTest, TakesFreshConnectionsWhenACertificateChanges) {
  Get("/a");
  credentials_.client_certificate.data = "renewed";
  loop_.Advance(seconds(1));
  Get("/b");
  EXPECT_EQ(server_.endpoints.size(), 1) << "not asked again within a minute";
  loop_.Advance(seconds(5));
  server_.Answer(200, "");
  server_.Answer(200, "");
  loop_.Advance(seconds(60));
  Watch();
  ASSERT_EQ(server_.endpoints.size(), 2);
  EXPECT_EQ(server_.endpoints[1].client_certificate, "renewed");
  EXPECT_EQ(server_.transports, 1) << "nothing uses the old one";
}

TEST_F(ClientTest, LetsCallsInFlightKeepTheirConnections) {
  Watch();
  server_.Data("");
  credentials_.server = "https://other:6443";
  loop_.Advance(seconds(61));
  Get("/b");
  EXPECT_EQ(server_.transports, 2);
  server_.Data("{}\n");
  EXPECT_EQ(lines_.size(), 1);
  server_.Answer(200, "");  // the watch ends
  EXPECT_EQ(server_.transports, 1);
}

TEST_F(ClientTest, TellsWhatTheServerSaysIsWrong) {
  Get("/a");
  server_.Answer(409, R"({"kind":"Status","reason":"AlreadyExists","message":"it exists"})", "7");
  const ApiFailure& failure = results_[0]->error();
  EXPECT_EQ(failure.status, 409);
  EXPECT_EQ(failure.reason, "AlreadyExists");
  EXPECT_EQ(failure.error.code, Code::kConflict);
  EXPECT_EQ(failure.retry_after, seconds(7));
  EXPECT_EQ(failure.error.what, "GET /a: the API server answers 409 AlreadyExists: it exists");
}

TEST_F(ClientTest, TellsWhyThereIsNoAnswer) {
  Get("/a");
  server_.Answer(Fail(Code::kIo, "api:6443: Connection refused"));
  EXPECT_EQ(results_[0]->error().status, 0);
  EXPECT_EQ(results_[0]->error().error.what, "GET /a: api:6443: Connection refused");
}

TEST_F(ClientTest, DoesNotFollowARedirection) {
  Get("/a");
  server_.Answer(302, "");
  EXPECT_EQ(results_[0]->error().status, 302);
  EXPECT_FALSE(results_[0]->error().Retryable());
}

TEST_F(ClientTest, EndsACallAtItsTimeOutAndTakesFreshConnectionsThen) {
  Call({.path = "/a", .timeout = seconds(3)});
  loop_.Advance(milliseconds(2999));
  EXPECT_FALSE(results_[0]);
  loop_.Advance(milliseconds(1));
  ASSERT_TRUE(results_[0]);
  EXPECT_EQ(results_[0]->error().error.code, Code::kTimeout);
  EXPECT_EQ(results_[0]->error().error.what, "GET /a: https://api:6443: no answer within 3 s");
  EXPECT_EQ(server_.cancelled, 1);
  Get("/b");
  EXPECT_EQ(server_.endpoints.size(), 2);
  EXPECT_EQ(server_.transports, 1);
}

TEST_F(ClientTest, HoldsBackCallsBeyondTheLimitAndBeginsThemInOrder) {
  Begin({.most_calls = 2});
  for (const char* path : {"/a", "/b", "/c", "/d"}) Get(path);
  EXPECT_EQ(server_.open.size(), 2);
  Watch();
  EXPECT_EQ(server_.open.size(), 3) << "a watch lasts: it must not take a call's place, nor wait";
  server_.Answer(200, "");
  loop_.Run();
  EXPECT_EQ(server_.all.back().target, "/c");
  server_.Answer(200, "");
  loop_.Run();
  EXPECT_EQ(server_.all.back().target, "/d");
}

TEST_F(ClientTest, CountsTheWaitForATurnInTheTimeOut) {
  Begin({.most_calls = 1});
  Call({.path = "/a", .timeout = seconds(60)});
  Call({.path = "/b", .timeout = seconds(1)});
  loop_.Advance(seconds(1));
  ASSERT_TRUE(results_[1]);
  EXPECT_THAT(results_[1]->error().error.what, HasSubstr("waiting for their turn"));
  EXPECT_FALSE(results_[0]);
}

TEST_F(ClientTest, NeverSendsFasterThanItsRateAllows) {
  Begin({.most_calls = 1000, .rate = 10, .burst = 5});
  for (int i = 0; i < 20; ++i) Get("/a");
  EXPECT_EQ(server_.all.size(), 5);
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(server_.all.size(), 6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(server_.all.size(), 16);
  loop_.Advance(seconds(1));
  EXPECT_EQ(server_.all.size(), 20);
}

TEST_F(ClientTest, GivesACancelledCallsPlaceToTheNext) {
  Begin({.most_calls = 1});
  const Api::CallId first = Get("/a");
  const Api::CallId second = Get("/b");
  Get("/c");
  client_->Cancel(second);
  client_->Cancel(first);
  client_->Cancel(first);
  client_->Cancel(0);
  loop_.Run();
  EXPECT_EQ(server_.all.back().target, "/c");
  EXPECT_EQ(server_.cancelled, 1);
  loop_.Advance(seconds(60));
  EXPECT_FALSE(results_[0]);
  EXPECT_FALSE(results_[1]);
}

TEST_F(ClientTest, PutsTheLinesOfAWatchTogether) {
  Watch();
  server_.Data("");
  server_.Data("{\"a\"");
  server_.Data(":1}");
  EXPECT_TRUE(lines_.empty());
  server_.Data("\n{\"b\":2}\r\n\n{");
  EXPECT_THAT(lines_, ElementsAre("{\"a\":1}", "{\"b\":2}"));
  server_.Data("}\n");
  EXPECT_THAT(lines_, ElementsAre("{\"a\":1}", "{\"b\":2}", "{}"));
  server_.Answer(200, "");
  EXPECT_EQ(end_->status, 200);
}

TEST_F(ClientTest, EndsAWatchWhoseEventNeverEnds) {
  Begin({.most_line = 10});
  Watch();
  server_.Data("123456789\n");
  server_.Data("123456");
  EXPECT_FALSE(end_);
  server_.Data("78901");
  ASSERT_TRUE(end_);
  EXPECT_THAT(end_->error.what, HasSubstr("larger than 10 bytes"));
  EXPECT_EQ(server_.cancelled, 1);
}

TEST_F(ClientTest, EndsAWatchOnWhichNothingHasComeForLong) {
  Watch(seconds(30));
  server_.Data("");
  loop_.Advance(seconds(29));
  server_.Data(" ");
  loop_.Advance(seconds(29));
  EXPECT_FALSE(end_);
  loop_.Advance(seconds(1));
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->error.code, Code::kTimeout);
  EXPECT_THAT(end_->error.what, HasSubstr("nothing heard for 30 s"));
}

TEST_F(ClientTest, EndsAWatchWhoseAnswerDoesNotBegin) {
  Watch(seconds(300));
  loop_.Advance(seconds(10));
  ASSERT_TRUE(end_);
  EXPECT_THAT(end_->error.what, HasSubstr("no answer within 10 s"));
}

TEST_F(ClientTest, StopsTellingLinesWhenTheWatchIsCancelledInBetween) {
  Api::CallId id = 0;
  int told = 0;
  id = client_->Watch(
      {.path = "/w"}, seconds(300),
      [&](std::string_view) {
        ++told;
        client_->Cancel(id);
      },
      [](const ApiFailure&) { FAIL(); });
  loop_.Run();
  server_.Data("1\n2\n3\n");
  EXPECT_EQ(told, 1);
}

TEST_F(ClientTest, CanBeDestroyedWithCallsInFlightAndWaiting) {
  Begin({.most_calls = 1});
  Get("/a");
  Get("/b");
  Watch();
  client_->Call({.path = "/c"}, [](const ApiResult&) { FAIL(); });
  client_.reset();
  loop_.Advance(seconds(600));
  EXPECT_TRUE(server_.open.empty());
  EXPECT_EQ(loop_.timers(), 0);
  EXPECT_FALSE(results_[0]);
  EXPECT_FALSE(end_);
}

TEST_F(ClientTest, CanBeDestroyedInACallback) {
  client_->Watch(
      {.path = "/w"}, seconds(300), [&](std::string_view) { client_.reset(); },
      [](const ApiFailure&) { FAIL(); });
  loop_.Run();
  server_.Data("1\n2\n");
  EXPECT_FALSE(client_);

  Begin({});
  client_->Call({.path = "/a"}, [&](const ApiResult&) { client_.reset(); });
  loop_.Run();
  server_.Answer(500, "");
  EXPECT_FALSE(client_);

  absent_ = true;
  Begin({});
  client_->Call({.path = "/a"}, [&](const ApiResult&) { client_.reset(); });
  client_->Call({.path = "/b"}, [&](const ApiResult&) { FAIL(); });
  loop_.Run();
  EXPECT_FALSE(client_);
}

}  // namespace
}  // namespace drapci::plugin::kube
