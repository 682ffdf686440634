#include "hal/os/sysfs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hal/base/unique_fd.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;

class KernelSysfsTest : public testing::Test {
 protected:
  test::TemporaryDirectory dir_;
  KernelSysfs sysfs_;
};

TEST_F(KernelSysfsTest, ReadDropsOneNewlineOnly) {
  dir_.Put("vendor", "0x8086\n");
  dir_.Put("two", "a\n\n");
  dir_.Put("none", "a");
  EXPECT_EQ(sysfs_.Read(dir_ / "vendor"), "0x8086");
  EXPECT_EQ(sysfs_.Read(dir_ / "two"), "a\n");
  EXPECT_EQ(sysfs_.Read(dir_ / "none"), "a");
}

TEST_F(KernelSysfsTest, ReadTakesTextsLongerThanAPageWhole) {
  const std::string text(200'000, 'm');
  dir_.Put("mountinfo", text);
  EXPECT_EQ(sysfs_.Read(dir_ / "mountinfo"), text);
}

TEST_F(KernelSysfsTest, ReadBytesTakesTheFirstOfThemAsTheyAre) {
  using std::string_literals::operator""s;
  dir_.Put("config", "\xff\0\n\n more"s);
  EXPECT_EQ(sysfs_.ReadBytes(dir_ / "config", 4), "\xff\0\n\n"s);
  EXPECT_EQ(sysfs_.ReadBytes(dir_ / "config", 4096)->size(), 9U);
  EXPECT_EQ(sysfs_.ReadBytes(dir_ / "nothing", 4).error().code, Code::kGone);
}

TEST_F(KernelSysfsTest, ReadRefusesAbsurdLengthInsteadOfCutting) {
  dir_.Put("big", std::string((4 << 20) + 4096, 'x'));
  EXPECT_EQ(sysfs_.Read(dir_ / "big").error().sys, EFBIG);
}

TEST_F(KernelSysfsTest, ErrorsNamePathErrnoAndMeaning) {
  const std::string path = dir_ / "gone";
  const Error read = sysfs_.Read(path).error();
  EXPECT_EQ(read.what, "read " + path + ": ENOENT (No such file or directory)");
  EXPECT_EQ(read.code, Code::kGone);
  const Error write = sysfs_.Write(path, "7").error();
  EXPECT_EQ(write.what, "write 7 to " + path + ": ENOENT (No such file or directory)");
  EXPECT_EQ(sysfs_.Write(path, "\n").error().what.find("write \\n to "), 0u);
}

TEST_F(KernelSysfsTest, WriteNeverMakesOrTruncatesAFile) {
  EXPECT_FALSE(sysfs_.Write(dir_ / "new", "1"));
  EXPECT_FALSE(sysfs_.Exists(dir_ / "new"));
  dir_.Put("long", "abcdef");
  ASSERT_TRUE(sysfs_.Write(dir_ / "long", "XY"));
  EXPECT_EQ(dir_.Get("long"), "XYcdef");
}

TEST_F(KernelSysfsTest, WriteIsOneStoreOfTheWholeValue) {
  // A packet pipe keeps the borders of writes, as an attribute sees them.
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_DIRECT | O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  const std::string path = "/proc/self/fd/" + std::to_string(writer.get());
  ASSERT_TRUE(sysfs_.Write(path, "0000:02:00.0"));
  char buffer[64];
  EXPECT_EQ(::read(reader.get(), buffer, sizeof buffer), 12);
  EXPECT_EQ(::read(reader.get(), buffer, sizeof buffer), -1);
}

TEST_F(KernelSysfsTest, WriteKeepsTheErrnoOfTheStore) {
  EXPECT_EQ(sysfs_.Write("/dev/full", "7").error().sys, ENOSPC);
  EXPECT_EQ(sysfs_.Write("/dev/full", "7").error().what,
            "write 7 to /dev/full: ENOSPC (No space left on device)");
}

TEST_F(KernelSysfsTest, PathsThatCouldLeadElsewhereAreRefused) {
  for (const std::string path : {"relative", "", "/sys/../etc/passwd", "/sys/x/..", "/a\nb"}) {
    EXPECT_EQ(sysfs_.Read(path).error().code, Code::kInvalid) << path;
    EXPECT_EQ(sysfs_.Write(path, "1").error().code, Code::kInvalid) << path;
    EXPECT_EQ(sysfs_.List(path).error().code, Code::kInvalid) << path;
    EXPECT_EQ(sysfs_.Resolve(path).error().code, Code::kInvalid) << path;
    EXPECT_EQ(sysfs_.ReadLink(path).error().code, Code::kInvalid) << path;
    EXPECT_FALSE(sysfs_.Exists(path)) << path;
  }
  EXPECT_EQ(sysfs_.Read(std::string_view("/etc/hostname\0x", 15)).error().code, Code::kInvalid);
  dir_.Put("..hidden", "fine");
  EXPECT_EQ(sysfs_.Read(dir_ / "..hidden"), "fine");
}

TEST_F(KernelSysfsTest, ListIsSortedAndCompleteAndDirectoriesAreNotLinks) {
  dir_.Put("b", "");
  dir_.Put("net/eth0/mtu", "1500");
  dir_.Put(".hidden", "");
  dir_.Link("a", "net");
  EXPECT_THAT(sysfs_.List(dir_.path()).value(), ElementsAre(".hidden", "a", "b", "net"));
  EXPECT_THAT(sysfs_.ListDirectories(dir_.path()).value(), ElementsAre("net"));
  // The default of the interface, which fakes inherit, means the same.
  EXPECT_THAT(sysfs_.Sysfs::ListDirectories(dir_.path()).value(), ElementsAre("net"));
  EXPECT_EQ(sysfs_.List(dir_ / "b").error().sys, ENOTDIR);
  EXPECT_EQ(sysfs_.List(dir_ / "gone").error().code, Code::kGone);
}

TEST_F(KernelSysfsTest, LinksAreReadAndResolved) {
  dir_.Put("devices/pci0000:00/0000:02:00.0/vendor", "");
  dir_.Link("bus/0000:02:00.0", "../devices/pci0000:00/0000:02:00.0");
  dir_.Link("dangling", "nowhere");
  EXPECT_EQ(sysfs_.ReadLink(dir_ / "bus/0000:02:00.0"), "../devices/pci0000:00/0000:02:00.0");
  EXPECT_EQ(sysfs_.Resolve(dir_ / "bus/0000:02:00.0"), dir_ / "devices/pci0000:00/0000:02:00.0");
  EXPECT_EQ(LinkName(sysfs_, dir_ / "bus/0000:02:00.0"), "0000:02:00.0");
  EXPECT_FALSE(sysfs_.Exists(dir_ / "dangling"));
  EXPECT_EQ(LinkName(sysfs_, dir_ / "dangling"), "nowhere");
}

TEST_F(KernelSysfsTest, LinkNameIsEmptyOnlyWhenThereIsNoLink) {
  dir_.Put("file", "");
  EXPECT_EQ(LinkName(sysfs_, dir_ / "driver"), "");
  EXPECT_EQ(LinkName(sysfs_, dir_ / "file").error().sys, EINVAL);
}

}  // namespace
}  // namespace drapci::hal
