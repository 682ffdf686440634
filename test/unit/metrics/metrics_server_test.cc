#include "plugin/metrics/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <stdexcept>

#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::metrics {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

UniqueFd Connect(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fd.Reset();
  return fd;
}

void Send(const UniqueFd& fd, const std::string& text) {
  EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

std::string ReadAll(const UniqueFd& fd) {
  std::string all;
  std::array<char, 4096> part;
  for (ssize_t got = 0; (got = ::read(fd.get(), part.data(), part.size())) > 0;) {
    all.append(part.data(), static_cast<size_t>(got));
  }
  return all;
}

std::string Ask(const UniqueFd& fd, const std::string& line) {
  Send(fd, line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  return ReadAll(fd);
}

class MetricsServerTest : public testing::Test {
 protected:
  void Start() {
    auto listener = Listen(path_, "");
    ASSERT_TRUE(listener.has_value()) << listener.error().what;
    auto server = MetricsServer::Start(*std::move(listener), [this] {
      ++scrapes_;
      if (broken_) throw std::runtime_error("no numbers");
      return std::string("drapci_devices 2\n");
    });
    ASSERT_TRUE(server.has_value());
    server_ = *std::move(server);
  }

  TestDir dir_;
  const std::string path_ = dir_.path() + "/run/metrics.sock";
  std::atomic<int> scrapes_ = 0;
  std::atomic<bool> broken_ = false;
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, AnswersOnAUnixSocketOfRootAndItsGroup) {
  Start();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Ask(Connect(path_), "GET /metrics"),
                AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("text/plain; version=0.0.4"),
                      EndsWith("\r\n\r\ndrapci_devices 2\n")));
  }
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
}

TEST_F(MetricsServerTest, AnswersOnALoopbackPort) {
  auto listener = Listen("127.0.0.1:0", "");
  ASSERT_TRUE(listener.has_value()) << listener.error().what;
  sockaddr_in to{};
  socklen_t size = sizeof to;
  ASSERT_EQ(::getsockname(listener->get(), reinterpret_cast<sockaddr*>(&to), &size), 0);
  const auto server =
      MetricsServer::Start(*std::move(listener), [] { return std::string("x 1\n"); });
  ASSERT_TRUE(server.has_value());
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_THAT(Ask(fd, "GET /metrics"), EndsWith("x 1\n"));
}

TEST_F(MetricsServerTest, HasOnePageAndReadsOnly) {
  Start();
  EXPECT_THAT(Ask(Connect(path_), "GET /"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(Connect(path_), "DELETE /metrics"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(Connect(path_), "HEAD /metrics"), EndsWith("\r\n\r\n"));
  const UniqueFd fd = Connect(path_);
  Send(fd,
       "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_THAT(ReadAll(fd), StartsWith("HTTP/1.1 405 "));
  EXPECT_EQ(scrapes_, 1);
}

TEST_F(MetricsServerTest, SurvivesCallersWhoSendNonsenseTooMuchOrNothing) {
  Start();
  const UniqueFd silent = Connect(path_);
  const UniqueFd half = Connect(path_);
  Send(half, "GET /metr");
  const UniqueFd nonsense = Connect(path_);
  Send(nonsense, std::string("\0\xff\r\n\r\n\r\n", 8));
  const UniqueFd much = Connect(path_);
  ::send(much.get(), std::string(200'000, 'a').data(), 200'000, MSG_NOSIGNAL | MSG_DONTWAIT);
  EXPECT_THAT(Ask(Connect(path_), "GET /metrics"), StartsWith("HTTP/1.1 200 "));
  server_.reset();  // without waiting for them
}

TEST_F(MetricsServerTest, SaysSoWhenThereAreNoNumbers) {
  Start();
  broken_ = true;
  EXPECT_THAT(Ask(Connect(path_), "GET /metrics"), StartsWith("HTTP/1.1 500 "));
  broken_ = false;
  EXPECT_THAT(Ask(Connect(path_), "GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MetricsServerTest, StopsAlsoWhenNobodyHasEverCalled) {
  Start();
  server_.reset();
  EXPECT_EQ(scrapes_, 0);
}

TEST_F(MetricsServerTest, RefusesASocketThatSomebodyElseServesAndReplacesOneThatNobodyDoes) {
  Start();
  const auto second = Listen(path_, "");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kBusy);
  server_.reset();
  EXPECT_TRUE(Listen(path_, "").has_value());
}

TEST_F(MetricsServerTest, RefusesWhatIsNoAddress) {
  for (const char* address : {"", "localhost:1", "127.0.0.1", "127.0.0.1:x", "[::1:80", ":80"}) {
    EXPECT_FALSE(Listen(address, "").has_value()) << address;
  }
}

}  // namespace
}  // namespace drapci::plugin::metrics
