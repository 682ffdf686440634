#include "hal/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace drapci {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
UniqueFd OpenNull() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(UniqueFd, ClosesWhatItOwns) {
  int fd = -1;
  {
    const UniqueFd owner = OpenNull();
    fd = owner.get();
    ASSERT_TRUE(owner && IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFd, MovingLeavesOneOwner) {
  UniqueFd first = OpenNull();
  const int fd = first.get();
  UniqueFd second = std::move(first);
  EXPECT_EQ(second.get(), fd);
  second = OpenNull();
  EXPECT_NE(second.get(), -1);
  second = UniqueFd();
  EXPECT_FALSE(second);
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFd, AssigningClosesTheOldOne) {
  UniqueFd first = OpenNull(), second = OpenNull();
  const int old = first.get(), kept = second.get();
  first = std::move(second);
  EXPECT_FALSE(IsOpen(old));
  EXPECT_EQ(first.get(), kept);
  EXPECT_TRUE(IsOpen(kept));
}

TEST(UniqueFd, ReleaseGivesTheDescriptorAway) {
  UniqueFd owner = OpenNull();
  const int fd = owner.Release();
  EXPECT_FALSE(owner);
  EXPECT_TRUE(IsOpen(fd));
  ::close(fd);
}

}  // namespace
}  // namespace drapci
