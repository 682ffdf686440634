#include "hal/os/namespace_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "hal/os/netlink_socket.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

// A machine whose only namespace is the caller's own.
class NoOthers : public NetworkNamespaces {
 public:
  Result<std::vector<UniqueFd>> List() override { return std::vector<UniqueFd>(); }
  Result<UniqueFd> Own() override { return UniqueFd(); }
  std::unique_ptr<Netlink> Enter(const UniqueFd&) override { return nullptr; }
};

// Answers one caller with `serve`.
class Helper {
 public:
  template <class Serve>
  Helper(const std::string& path, Serve serve)
      : listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path, address.sun_path);
    const void* untyped = &address;
    EXPECT_EQ(::bind(listener_.get(), static_cast<const sockaddr*>(untyped), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, serve] {
      const UniqueFd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      serve(caller.get());
    });
  }
  ~Helper() { thread_.join(); }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

class NamespaceHelperTest : public testing::Test {
 protected:
  test::TemporaryDirectory dir_;
  const std::string path_ = dir_ / "helper";
  HelpedNetworkNamespaces namespaces_{path_};
};

TEST_F(NamespaceHelperTest, AnswersEvenWhenThereIsNoOtherNamespace) {
  const Helper helper(path_, [](int caller) {
    NoOthers none;
    EXPECT_TRUE(ServeNamespaces(none, caller));
  });
  const auto all = namespaces_.List();
  ASSERT_TRUE(all) << all.error().what;
  EXPECT_TRUE(all->empty());
}

TEST_F(NamespaceHelperTest, IsDoneWithoutWhereThereIsNoHelper) { EXPECT_TRUE(namespaces_.List()); }

TEST_F(NamespaceHelperTest, SaysWhereToLookWhenTheHelperEndsInTheMiddle) {
  const Helper helper(path_, [](int) {});
  const auto all = namespaces_.List();
  ASSERT_FALSE(all);
  EXPECT_THAT(all.error().what, testing::HasSubstr("journalctl -u 'drapci-namespaces@*'"));
}

TEST_F(NamespaceHelperTest, RefusesAnAnswerWithoutItsSocket) {
  const Helper helper(path_, [](int caller) { EXPECT_EQ(::send(caller, "s", 1, 0), 1); });
  const auto all = namespaces_.List();
  ASSERT_FALSE(all);
  EXPECT_THAT(all.error().what, testing::HasSubstr("not understood"));
}

TEST(SocketNetlinkTest, AsksOverTheSameSocketAgainAndAgain) {
  const auto socket = OpenRouteSocket();
  ASSERT_TRUE(socket) << socket.error().what;
  SocketNetlink netlink(socket->get());
  for (int round = 0; round < 3; ++round) {
    const auto routes = DefaultRouteInterfaces(netlink);
    EXPECT_TRUE(routes) << routes.error().what;
  }
}

TEST(SocketNetlinkTest, SpeaksNothingButRtnetlink) {
  SocketNetlink netlink(-1);
  const auto answer = netlink.Talk(NETLINK_GENERIC, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace drapci::hal
