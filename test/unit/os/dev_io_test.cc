#include "hal/os/dev_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

TEST(KernelDevIo, TellsWhatANodeIs) {
  const KernelDevIo dev;
  const NodeInfo null = dev.Stat("/dev/null").value();
  EXPECT_EQ(null.type, 'c');
  EXPECT_EQ(null.major, 1u);
  EXPECT_EQ(null.minor, 3u);
  EXPECT_EQ(dev.Stat("/dev/drapci-no-such-node").error().code, Code::kGone);
  EXPECT_EQ(dev.Stat("/etc/passwd").error().code, Code::kInvalid);
  EXPECT_EQ(dev.Stat("/dev/../etc/passwd").error().code, Code::kInvalid);
}

TEST(KernelDevIo, OpensForThisProcessOnly) {
  KernelDevIo dev;
  const UniqueFd fd = dev.Open("/dev/null", O_RDWR).value();
  EXPECT_TRUE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC);
}

TEST(KernelDevIo, PrefersWhatStandsForANodeInTheRelay) {
  const test::TemporaryDirectory relay;
  relay.Put("shared/dev/null", "shared");
  relay.Put("alone/dev/null", "alone");
  KernelDevIo dev(relay.path());
  const auto first_byte = [&dev](const char* path, int flags) {
    const UniqueFd fd = dev.Open(path, flags).value();
    char byte = 0;
    return ::read(fd.get(), &byte, 1) == 1 ? byte : '-';
  };
  EXPECT_EQ(first_byte("/dev/null", O_RDONLY), 's');
  EXPECT_EQ(first_byte("/dev/null", O_RDONLY | O_EXCL), 'a');
  EXPECT_EQ(first_byte("/dev/zero", O_RDONLY), '\0');
  EXPECT_EQ(dev.Open("/dev/../dev/null", O_RDONLY).error().code, Code::kInvalid);
}

TEST(KernelDevIo, IoctlKeepsTheErrno) {
  KernelDevIo dev;
  const UniqueFd fd = dev.Open("/dev/null", O_RDWR).value();
  int answer = 0;
  const Error error = dev.Ioctl(fd.get(), TIOCGWINSZ, &answer).error();
  EXPECT_EQ(error.sys, ENOTTY);
  EXPECT_EQ(error.code, Code::kUnsupported);
}

}  // namespace
}  // namespace drapci::hal
