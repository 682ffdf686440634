// The client over real connections: loop, libcurl and a server on this machine.
#include "plugin/kube/curl_transport.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <mutex>
#include <optional>

#include "plugin/kube/client.h"
#include "plugin/kube/sd_loop.h"
#include "test/unit/kube/http_server.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// How a watch went: its lines, and why it ended.
struct Watched {
  std::vector<std::string> lines;
  ApiFailure end;
};

class CurlTransportTest : public testing::Test {
 protected:
  CurlTransportTest() { loop_ = *SdLoop::Start(); }
  ~CurlTransportTest() override {
    loop_->Do([this] { client_.reset(); });
    loop_->Stop();
  }

  HttpServer& Serve(HttpServer::Handler handler, std::optional<HttpServer::Tls> tls = {}) {
    const bool secure = tls.has_value();
    server_.emplace(std::move(handler), std::move(tls));
    credentials_.server =
        fmt::format("{}://127.0.0.1:{}", secure ? "https" : "http", server_->port());
    return *server_;
  }
  void Begin(CurlOptions options = {}) {
    loop_->Do([&] {
      client_.emplace(
          *loop_, [this]() -> Result<Credentials> { return credentials_; },
          CurlTransports(*loop_, options), ClientOptions{.version = "1", .node = "n"});
    });
  }

  ApiResult Call(ApiRequest request) {
    if (!client_) Begin();
    std::promise<ApiResult> answer;
    loop_->Post([&] {
      client_->Call(std::move(request),
                    [&](ApiResult result) { answer.set_value(std::move(result)); });
    });
    return answer.get_future().get();
  }
  ApiResult Get(std::string path) { return Call({.path = std::move(path)}); }
  std::string WhyNot(const ApiResult& result) {
    return result ? "answered " + *result : result.error().error.what;
  }

  Watched Watch() {
    if (!client_) Begin();
    Watched watched;
    std::promise<void> ended;
    loop_->Post([&] {
      client_->Watch(
          {.path = "/w", .query = "watch=true"}, seconds(60),
          [&](std::string_view line) { watched.lines.emplace_back(line); },
          [&](ApiFailure end) {
            watched.end = std::move(end);
            ended.set_value();
          });
    });
    ended.get_future().wait();
    return watched;
  }

  std::unique_ptr<SdLoop> loop_;
  std::optional<HttpServer> server_;
  Credentials credentials_;
  std::optional<Client> client_;  // on the loop's thread
};

TEST_F(CurlTransportTest, SendsEveryMethodWithItsBodyOverOneConnection) {
  Serve([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    auto headers = request.headers;
    writer.Answer(200, fmt::format("{} {} [{}] {} {}", request.method, request.target, request.body,
                                   headers["content-type"], headers["user-agent"]));
  });
  EXPECT_EQ(*Call({.path = "/a", .query = "x=1%2F2"}), "GET /a?x=1%2F2 []  drapci/1 (n)");
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(*Call({.method = method, .path = "/a", .body = "{}"}),
              fmt::format("{} /a [{{}}] application/json drapci/1 (n)", method));
  }
  EXPECT_EQ(*Call({.method = "DELETE", .path = "/a"}),
            "DELETE /a [] application/json drapci/1 (n)");
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(CurlTransportTest, SendsTheTokenAndThePathOfTheServersUrl) {
  Serve([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    writer.Answer(200, request.target + " " + request.headers.at("authorization"));
  });
  credentials_.server += "/clusters/c";
  credentials_.token.data = "secret";
  EXPECT_EQ(*Get("/api"), "/clusters/c/api Bearer secret");
}

TEST_F(CurlTransportTest, SendsAPasswordWhenThereIsNoToken) {
  Serve([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    writer.Answer(200, request.headers.at("authorization"));
  });
  credentials_.username = "user";
  credentials_.password = "pass";
  EXPECT_EQ(*Get("/"), "Basic dXNlcjpwYXNz");
}

TEST_F(CurlTransportTest, KeepsWhatTheServerSays) {
  Serve([](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Answer(429, R"({"kind":"Status","reason":"TooManyRequests","message":"slow down"})",
                  "Retry-After: 4\r\n");
  });
  const ApiResult result = Get("/a");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().retry_after, seconds(4));
  EXPECT_EQ(result.error().error.code, Code::kBusy);
  EXPECT_EQ(WhyNot(result), "GET /a: the API server answers 429 TooManyRequests: slow down");
}

TEST_F(CurlTransportTest, DoesNotFollowRedirections) {
  std::atomic<int> asked = 0;
  Serve([&](const HttpServer::Request&, HttpServer::Writer& writer) {
    ++asked;
    writer.Answer(302, "", "Location: /elsewhere\r\n");
  });
  EXPECT_EQ(Get("/a").error().status, 302);
  EXPECT_EQ(asked, 1);
}

TEST_F(CurlTransportTest, ReplacesAConnectionThatTheServerHasClosed) {
  Serve([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    writer.Answer(200, fmt::format("{}", request.connection));
    writer.Close();
  });
  EXPECT_EQ(*Get("/a"), "1");
  EXPECT_EQ(*Get("/a"), "2");
}

TEST_F(CurlTransportTest, SaysThatNobodyListens) {
  Serve([](const HttpServer::Request&, HttpServer::Writer&) {});
  server_.reset();
  const ApiResult result = Get("/a");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0);
  EXPECT_TRUE(result.error().Retryable());
  EXPECT_THAT(WhyNot(result),
              AllOf(HasSubstr("GET /a: 127.0.0.1:"), HasSubstr("connect"), Not(HasSubstr("\n"))));
}

TEST_F(CurlTransportTest, SaysThatTheConnectionWasReset) {
  Serve([](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    writer.Reset();
  });
  const ApiResult result = Get("/a");
  ASSERT_FALSE(result) << "half an answer is none";
  EXPECT_EQ(result.error().status, 0);
  EXPECT_EQ(result.error().error.code, Code::kIo);
}

TEST_F(CurlTransportTest, EndsACallThatTheServerNeverAnswers) {
  std::promise<void> hung_up;
  Serve([&](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.WaitForClient();
    hung_up.set_value();
  });
  const ApiResult result = Call({.path = "/a", .timeout = milliseconds(50)});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().error.code, Code::kTimeout);
  hung_up.get_future().wait();  // the connection is given up as well
}

TEST_F(CurlTransportTest, EndsAConnectionThatDoesNotComeAbout) {
  // Its backlog is full at once, so further connections get no answer.
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  void* untyped = &address;
  ASSERT_EQ(::bind(listener.get(), static_cast<sockaddr*>(untyped), size), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  ASSERT_EQ(::getsockname(listener.get(), static_cast<sockaddr*>(untyped), &size), 0);
  const UniqueFd filler(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(filler.get(), static_cast<sockaddr*>(untyped), size), 0);
  credentials_.server = fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port));
  Begin({.connect_timeout = milliseconds(50)});
  EXPECT_EQ(Get("/a").error().error.code, Code::kTimeout);
}

TEST_F(CurlTransportTest, RefusesAnAnswerThatIsTooLarge) {
  Serve([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    writer.Answer(request.target == "/error" ? 500 : 200, std::string(1001, 'x'));
  });
  Begin({.most_body = 1000});
  EXPECT_THAT(WhyNot(Get("/a")), HasSubstr("the answer is larger than 1000 bytes"));
  EXPECT_THAT(WhyNot(Get("/error")), HasSubstr("the answer is larger than 1000 bytes"));
}

TEST_F(CurlTransportTest, TakesALargeAnswerWhole) {
  const std::string body(3'000'000, 'y');
  Serve([&](const HttpServer::Request&, HttpServer::Writer& writer) { writer.Answer(200, body); });
  EXPECT_EQ(*Get("/a"), body);
}

TEST_F(CurlTransportTest, DeliversAWatchHoweverItIsCut) {
  Serve([](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.Chunk("{\"a\":92233720");
    writer.Chunk("36854775807}");
    writer.Chunk("\n{\"b\"");
    writer.Write("5\r\n:2}");  // a chunk, cut between packets
    writer.Write("\n{\r\n");
    writer.Chunk("}\n");
    writer.Write("0\r\n\r\n");
  });
  const Watched watched = Watch();
  EXPECT_THAT(watched.lines, ElementsAre("{\"a\":9223372036854775807}", "{\"b\":2}", "{}"));
  EXPECT_EQ(watched.end.status, 200);
}

TEST_F(CurlTransportTest, DeliversEachEventWhenItComes) {
  std::promise<void> seen;
  auto wait = seen.get_future();
  Serve([&](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.Chunk("{}\n");
    wait.wait();  // no more until the client has it
    writer.Write("0\r\n\r\n");
  });
  Begin();
  std::promise<void> ended;
  loop_->Post([&] {
    client_->Watch(
        {.path = "/w"}, seconds(60), [&](std::string_view) { seen.set_value(); },
        [&](const ApiFailure&) { ended.set_value(); });
  });
  ended.get_future().wait();
}

TEST_F(CurlTransportTest, TellsWhatItHasOfAWatchThatBreaks) {
  Serve([](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.Chunk("{\"a\":1}\n{\"b\"");
    writer.Close();
  });
  const Watched watched = Watch();
  EXPECT_THAT(watched.lines, ElementsAre("{\"a\":1}"));
  EXPECT_EQ(watched.end.status, 0);
}

TEST_F(CurlTransportTest, ReadsTheReasonWhenAWatchIsRefused) {
  Serve([](const HttpServer::Request&, HttpServer::Writer& writer) {
    writer.Answer(410, R"({"kind":"Status","reason":"Expired","message":"too old"})");
  });
  const Watched watched = Watch();
  EXPECT_EQ(watched.end.status, 410);
  EXPECT_EQ(watched.end.reason, "Expired");
}

TEST_F(CurlTransportTest, HangsUpOnCancelAndOnDestruction) {
  std::promise<void> first, second;
  Serve([&](const HttpServer::Request& request, HttpServer::Writer& writer) {
    if (request.target == "/one") {
      writer.WaitForClient();
      first.set_value();
      return;
    }
    writer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.Chunk("{}\n");
    writer.WaitForClient();
    second.set_value();
  });
  Begin();
  loop_->Do([&] {
    const auto call = client_->Call({.path = "/one"}, [](const ApiResult&) { FAIL(); });
    client_->Watch(
        {.path = "/two"}, seconds(60),
        [this, call](std::string_view) {
          client_->Cancel(call);
          client_.reset();  // in its own callback, with a watch open
        },
        [](const ApiFailure&) { FAIL(); });
  });
  first.get_future().wait();
  second.get_future().wait();
}

// --- TLS ---

class TlsTest : public CurlTransportTest {
 protected:
  TlsTest() { credentials_.certificate_authority.data = authority_.certificate; }
  HttpServer& ServeTls(const std::string& alternatives, std::string client_authority = "") {
    return Serve(
        [](const HttpServer::Request& request, HttpServer::Writer& writer) {
          writer.Answer(200, request.client + "@" + request.headers.at("host"));
        },
        HttpServer::Tls{Issue(authority_, "server", alternatives), std::move(client_authority)});
  }

  const Identity authority_ = MakeAuthority("cluster");
};

TEST_F(TlsTest, TrustsTheClustersOwnAuthority) {
  ServeTls("IP:127.0.0.1");
  EXPECT_EQ(*Get("/"), fmt::format("@127.0.0.1:{}", server_->port()));
}

TEST_F(TlsTest, RefusesAServerOfAnotherAuthority) {
  ServeTls("IP:127.0.0.1");
  credentials_.certificate_authority.data = MakeAuthority("other").certificate;
  EXPECT_THAT(WhyNot(Get("/")), AllOf(HasSubstr("certificate"), HasSubstr("check")));
  // One of the same name, too: only the signature tells them apart.
  loop_->Do([this] { client_.reset(); });
  credentials_.certificate_authority.data = MakeAuthority("cluster").certificate;
  EXPECT_THAT(WhyNot(Get("/")), AnyOf(HasSubstr("TLS handshake"), HasSubstr("certificate")));
}

TEST_F(TlsTest, RefusesAServerOfAnotherName) {
  ServeTls("DNS:other.example");
  EXPECT_THAT(WhyNot(Get("/")), AllOf(HasSubstr("127.0.0.1"), HasSubstr("tls-server-name")));
}

TEST_F(TlsTest, TakesTheOtherNameThatItWasTold) {
  ServeTls("DNS:other.example");
  credentials_.tls_server_name = "other.example";
  EXPECT_EQ(*Get("/"), fmt::format("@127.0.0.1:{}", server_->port()));
}

TEST_F(TlsTest, TakesAnyServerOnlyWhenToldTo) {
  ServeTls("DNS:other.example");
  credentials_.certificate_authority = {};
  EXPECT_FALSE(Get("/"));
  loop_->Do([this] { client_.reset(); });
  credentials_.insecure_skip_tls_verify = true;
  EXPECT_TRUE(Get("/"));
}

TEST_F(TlsTest, ShowsItsCertificateAndARenewedOneOnFreshConnections) {
  const Identity clients = MakeAuthority("clients");
  ServeTls("IP:127.0.0.1", clients.certificate);
  const TestDir dir;
  const auto write = [&](const std::string& name) {
    const Identity identity = Issue(clients, name, "");
    credentials_.client_certificate.file = dir.Write("client.crt", identity.certificate);
    credentials_.client_key.file = dir.Write("client.key", identity.key);
  };
  write("first");
  EXPECT_THAT(*Get("/"), HasSubstr("first@"));
  EXPECT_THAT(*Get("/"), HasSubstr("first@"));
  EXPECT_EQ(server_->connections(), 1);
  write("renewed");
  EXPECT_THAT(*Get("/"), HasSubstr("renewed@"));
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(TlsTest, SaysThatTheServerWantsACertificate) {
  ServeTls("IP:127.0.0.1", MakeAuthority("clients").certificate);
  const ApiResult result = Get("/");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0);
}

TEST_F(TlsTest, SaysThatACertificateIsNone) {
  ServeTls("IP:127.0.0.1");
  credentials_.client_certificate.data = "rubbish";
  credentials_.client_key.data = "SECRETKEY";
  EXPECT_THAT(WhyNot(Get("/")), AllOf(HasSubstr("certificate"), Not(HasSubstr("SECRETKEY"))));
}

}  // namespace
}  // namespace drapci::plugin::kube
