// HTTP/2, spoken by nghttpx in front of a server of ours.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "plugin/kube/curl_transport.h"
#include "plugin/kube/sd_loop.h"
#include "test/unit/kube/http_server.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::kube {
namespace {

constexpr const char* kProxy = "/usr/sbin/nghttpx";
constexpr int kInherited = 40;

// nghttpx with TLS before `backend`. The listening socket is made here and inherited, so that
// connecting works before the program is up.
class Nghttpx {
 public:
  Nghttpx(const Identity& identity, int backend)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* untyped = &address;
    auto* any = static_cast<sockaddr*>(untyped);
    EXPECT_EQ(::bind(listener_.get(), any, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    EXPECT_EQ(::getsockname(listener_.get(), any, &size), 0);
    port_ = ntohs(address.sin_port);

    std::vector<std::string> arguments = {kProxy,
                                          "--conf=/dev/null",
                                          "--single-process",
                                          "--workers=1",
                                          "--log-level=FATAL",
                                          "--no-ocsp",
                                          fmt::format("--frontend=127.0.0.1,{}", port_),
                                          fmt::format("--backend=127.0.0.1,{}", backend),
                                          dir_.Write("key.pem", identity.key),
                                          dir_.Write("cert.pem", identity.certificate)};
    std::vector<std::string> environment = {fmt::format("NGHTTPX_ACCEPT_1=tcp,{}", kInherited)};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, listener_.get(), kInherited);
    EXPECT_EQ(::posix_spawn(&pid_, kProxy, &actions, nullptr, Pointers(arguments).data(),
                            Pointers(environment).data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Nghttpx() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  TestDir dir_;
  UniqueFd listener_;
  int port_ = 0;
  pid_t pid_ = -1;
};

TEST(Http2Test, SharesOneConnectionAmongCallsAndAWatch) {
  if (::access(kProxy, X_OK) != 0) GTEST_SKIP() << "needs the package nghttp2-proxy";
  HttpServer server([](const HttpServer::Request& request, HttpServer::Writer& writer) {
    if (request.target != "/watch") {
      writer.Answer(200, request.target);
      return;
    }
    writer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.Chunk("{}\n");
    writer.WaitForClient();
  });
  const Identity authority = MakeAuthority("cluster");
  const Nghttpx proxy(Issue(authority, "server", "IP:127.0.0.1"), server.port());
  const auto loop = *SdLoop::Start();
  std::unique_ptr<Transport> transport;
  std::promise<void> watching;
  std::promise<HttpResult> called;
  loop->Do([&] {
    Endpoint endpoint;
    endpoint.server = fmt::format("https://127.0.0.1:{}", proxy.port());
    endpoint.certificate_authority = authority.certificate;
    transport = *CurlTransports(*loop, {})(endpoint);
    transport->Stream(
        {.target = "/watch"},
        [&](std::string_view data) {
          if (!data.empty()) watching.set_value();
        },
        [](const HttpResult& result) { ADD_FAILURE() << result.error().what; });
  });
  ASSERT_EQ(watching.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  loop->Do([&] {
    transport->Send({.target = "/call"}, [&](HttpResult result) { called.set_value(result); });
  });
  const HttpResult result = called.get_future().get();
  ASSERT_TRUE(result) << result.error().what;
  EXPECT_EQ(result->body, "/call");
  EXPECT_TRUE(result->http2);
  loop->Do([&] { transport.reset(); });
}

}  // namespace
}  // namespace drapci::plugin::kube
