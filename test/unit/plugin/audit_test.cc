#include "plugin/audit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "hal/base/unique_fd.h"

namespace drapci::plugin {
namespace {

using testing::HasSubstr;

TEST(CallerOfTest, NamesTheProcessAtTheOtherEnd) {
  std::array<int, 2> pair = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]);
  const auto caller = CallerOf(fmt::format("fd:{}", ours.get()));
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->pid, ::getpid());
  EXPECT_EQ(caller->uid, ::getuid());
  EXPECT_EQ(caller->gid, ::getgid());
  EXPECT_EQ(caller->command, "plugin_test");
  EXPECT_THAT(ToString(caller), HasSubstr("(plugin_test)"));
}

TEST(CallerOfTest, KnowsNobodyBehindAnythingElse) {
  EXPECT_FALSE(CallerOf("ipv4:127.0.0.1:80"));
  EXPECT_FALSE(CallerOf("fd:"));
  EXPECT_FALSE(CallerOf("fd:-1"));
  EXPECT_FALSE(CallerOf("fd:99999999999999999999"));
  std::array<int, 2> pipe = {};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const UniqueFd reading(pipe[0]), writing(pipe[1]);
  EXPECT_FALSE(CallerOf(fmt::format("fd:{}", reading.get())));
}

}  // namespace
}  // namespace drapci::plugin
