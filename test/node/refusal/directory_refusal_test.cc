// A state directory that is full, and a CDI directory that cannot be written.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "hal/base/unique_fd.h"
#include "test/node/refusal/refusal_fixture.h"

namespace drapci::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A file system of its own on a directory of the daemon's.
class Tmpfs {
 public:
  Tmpfs(std::string path, const std::string& options) : path_(std::move(path)) {
    mounted_ = mount("drapci-test", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (!mounted_) error_ = errno;
  }
  ~Tmpfs() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  Tmpfs(const Tmpfs&) = delete;
  Tmpfs& operator=(const Tmpfs&) = delete;

  std::string problem() const {
    return mounted_ ? "" : fmt::format("tmpfs on {}: {}", path_, strerror(error_));
  }
  bool SetReadOnly(bool read_only) const {
    return mount(nullptr, path_.c_str(), nullptr, MS_REMOUNT | (read_only ? MS_RDONLY : 0),
                 nullptr) == 0;
  }
  // Takes the last free byte.
  void Fill() const {
    const UniqueFd file(open((path_ + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    std::array<char, 4096> page{};
    while (write(file.get(), page.data(), page.size()) > 0) {
    }
  }
  void Empty() const { unlink((path_ + "/filler").c_str()); }

 private:
  std::string path_;
  bool mounted_ = false;
  int error_ = 0;
};

class FullStateDirectory : public RefusalNode {};

TEST_F(FullStateDirectory, IsReportedWithItsPathAndHoldsNothing) {
  const Tmpfs state(scratch_.state_dir, "size=1m");
  ASSERT_EQ(state.problem(), "");
  ASSERT_TRUE(node_.Start());
  state.Fill();
  // The journal may have room that it took before; the claims that fit are whole, the first one
  // that does not is refused whole.
  std::vector<ClaimSpec> held;
  std::string reply;
  for (int vf = 0; vf < 8 && reply.empty(); ++vf) {
    held.push_back(
        {.name = fmt::format("full-{}", vf), .device = fmt::format("{}-vf{}", card_, vf)});
    const HardwareImage before = ReadHardware();
    const auto finished = node_.Cli(PrepareOf(held.back()));
    ASSERT_TRUE(finished);
    if (finished->code == 0) continue;
    reply = finished->err;
    EXPECT_EQ(finished->code, 1);
    EXPECT_EQ(Differences(before, ReadHardware()), "");
    EXPECT_EQ(node_.ClaimState(held.back().name).value_or("?"), "");
    EXPECT_EQ(node_.CdiFiles().size(), held.size() - 1);
  }
  EXPECT_THAT(reply, AllOf(HasSubstr(scratch_.state_dir), HasSubstr("ENOSPC"),
                           HasSubstr(strerror(ENOSPC))));
  ExpectClean();
  state.Empty();
  Done(PrepareOf(held.back()));  // with room again
  for (const ClaimSpec& claim : held) Done(UnprepareOf(claim));
  TearDown();
}

TEST_F(FullStateDirectory, NeverLosesAClaimThatIsReleased) {
  const Tmpfs state(scratch_.state_dir, "size=1m");
  ASSERT_EQ(state.problem(), "");
  ASSERT_TRUE(node_.Start());
  const ClaimSpec claim{.name = "held", .device = card_ + "-vf0"};
  Done(PrepareOf(claim));
  state.Fill();
  const auto finished = node_.Cli(UnprepareOf(claim));
  ASSERT_TRUE(finished);
  if (finished->code != 0) {
    EXPECT_THAT(finished->err, AllOf(HasSubstr(scratch_.state_dir), HasSubstr("ENOSPC")));
    EXPECT_NE(node_.ClaimState("held").value_or(""), "");
    state.Empty();
    Done(UnprepareOf(claim));
  }
  EXPECT_EQ(node_.ClaimState("held").value_or("?"), "");
  TearDown();
}

class ReadOnlyCdiDirectory : public RefusalNode {};

TEST_F(ReadOnlyCdiDirectory, IsReportedWithItsPathAndEveryStepIsUndone) {
  const Tmpfs cdi(scratch_.cdi_dir, "size=1m");
  ASSERT_EQ(cdi.problem(), "");
  ASSERT_TRUE(node_.Start());
  for (const Scenario& scenario : Scenarios(card_)) {
    SCOPED_TRACE(scenario.name);
    ASSERT_TRUE(cdi.SetReadOnly(true));
    EXPECT_THAT(Refused(PrepareOf(scenario.claim)),
                AllOf(HasSubstr(scratch_.cdi_dir), HasSubstr("EROFS"), HasSubstr(strerror(EROFS))));
    EXPECT_EQ(Differences(before_, ReadHardware()), "");
    EXPECT_EQ(node_.ClaimState(scenario.claim.name).value_or("?"), "");
    ExpectClean();
    ASSERT_TRUE(cdi.SetReadOnly(false));
    Done(PrepareOf(scenario.claim));
    ASSERT_TRUE(cdi.SetReadOnly(true));
    EXPECT_THAT(Refused(UnprepareOf(scenario.claim)),
                AllOf(HasSubstr(scratch_.cdi_dir), HasSubstr("EROFS")));
    EXPECT_NE(node_.ClaimState(scenario.claim.name).value_or(""), "")
        << "what is not undone must stay listed";
    ASSERT_TRUE(cdi.SetReadOnly(false));
    Done(UnprepareOf(scenario.claim));
    ExpectClean();
  }
  TearDown();
}

}  // namespace
}  // namespace drapci::test
