// Binding conditions of what takes seconds: the mode of an AMD GPU, an image for an FPGA slot.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "test/node/cluster/cluster_fixture.h"
#include "test/node/support/process.h"

namespace drapci::test {
namespace {

using testing::HasSubstr;

class SlowBinding : public ClusterNode {
 protected:
  explicit SlowBinding(const std::string& config = "")
      : ClusterNode(config + "accelerators:\n- match: {}\n  bindingConditions: true\n",
                    "watchClaims: true") {}
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Settled());
  }
  bool IsTrue(const std::string& claim, const std::string& type) {
    return Condition(claim, type).value("status", "") == "True";
  }
  bool Answered(const std::string& claim) {
    return IsTrue(claim, kPrepared) || IsTrue(claim, kFailed);
  }
  std::string State(const std::string& claim) { return node_.ClaimState(claim).value_or("?"); }
  std::string Message(const std::string& claim) {
    return Condition(claim, kFailed).value("message", "");
  }
  // The scheduler has seen the failure.
  void TakeBack(const std::string& claim) {
    ASSERT_TRUE(api_.Post("/deallocate", {{"namespace", "default"}, {"name", claim}}));
    ASSERT_TRUE(Soon([&] { return State(claim).empty(); }));
  }

  static constexpr const char* kPrepared = "dra.pci/Prepared";
  static constexpr const char* kFailed = "dra.pci/PrepareFailed";
};

class AmdGpuBinding : public SlowBinding {
 protected:
  static std::string Mode(const std::string& address = "0000:0a:00.0") {
    std::string mode;
    std::ifstream(fmt::format("/sys/bus/pci/devices/{}/current_compute_partition", address)) >>
        mode;
    return mode;
  }
  static constexpr const char* kModeFile = "*0000:0a:00.0/current_compute_partition";
  const std::string gpu_ = "pci-0000-0a-00-0", other_gpu_ = "pci-0000-1a-00-0";
};

TEST_F(AmdGpuBinding, TellsTheSchedulerAfterTheModeIsSwitchedAndNotBefore) {
  const std::string before = Mode();
  Inject({"hold", kModeFile});
  const ClaimObject claim = Allocated("c", Of(gpu_ + "-cpx1"));
  ASSERT_TRUE(Soon([&] { return State("c") == "preparing"; }));
  EXPECT_FALSE(Answered("c"));
  Inject({"release", kModeFile});
  ASSERT_TRUE(Soon([&] { return IsTrue("c", kPrepared); }));
  EXPECT_EQ(Mode(), "CPX");
  const Answer answer = Prepare(claim);
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.cdi_ids.size(), 1u);
  EXPECT_EQ(Unprepare(claim), "");
  EXPECT_EQ(Mode(), before);
}

TEST_F(AmdGpuBinding, AFailureSendsTheClaimToAnotherCard) {
  const std::string before = Mode();
  Inject({"fault", kModeFile, "EIO", "--op", "write", "--count", "-1"});
  Allocated("c", Of(gpu_ + "-cpx1"));
  ASSERT_TRUE(Soon([&] { return Answered("c"); }));
  EXPECT_TRUE(IsTrue("c", kFailed));
  EXPECT_FALSE(IsTrue("c", kPrepared));
  EXPECT_THAT(Message("c"), HasSubstr("EIO"));
  TakeBack("c");
  const ClaimObject elsewhere = Allocated("d", Of(other_gpu_ + "-cpx1"));
  ASSERT_TRUE(Soon([&] { return IsTrue("d", kPrepared); }));
  EXPECT_EQ(Mode("0000:1a:00.0"), "CPX");
  EXPECT_EQ(Mode(), before);
  Inject({"clear"});
  EXPECT_EQ(Prepare(elsewhere).error, "");
  EXPECT_EQ(Unprepare(elsewhere), "");
}

// The scheduler's counters keep two modes apart; what it does not know of, the driver sends back.
TEST_F(AmdGpuBinding, AClaimForASecondModeIsSentBackWithTheReason) {
  const std::string before = Mode();
  ASSERT_TRUE(node_.CliDo({"prepare", "--name", "local", "--device", gpu_ + "-cpx7"}));
  ASSERT_EQ(Mode(), "CPX");
  Allocated("c", Of(gpu_ + "-dpx0"));
  ASSERT_TRUE(Soon([&] { return Answered("c"); }));
  EXPECT_TRUE(IsTrue("c", kFailed));
  EXPECT_THAT(Message("c"), HasSubstr("local"));
  EXPECT_EQ(Mode(), "CPX");
  TakeBack("c");
  const ClaimObject same = Allocated("d", Of(gpu_ + "-cpx0"));
  ASSERT_TRUE(Soon([&] { return IsTrue("d", kPrepared); }));
  EXPECT_EQ(Prepare(same).error, "");
  EXPECT_EQ(Unprepare(same), "");
  ASSERT_TRUE(node_.CliDo({"unprepare", "local"}));
  EXPECT_EQ(Mode(), before);
}

TEST_F(AmdGpuBinding, TwoModesOfOneCardAreNotAllocatedAtOnce) {
  const ClaimObject first = Allocated("c", Of(gpu_ + "-cpx1"));
  ASSERT_TRUE(Soon([&] { return IsTrue("c", kPrepared); }));
  EXPECT_FALSE(api_.Allocate("d", Of(gpu_ + "-dpx1")));
  EXPECT_EQ(Prepare(first).error, "");
  EXPECT_EQ(Unprepare(first), "");
}

constexpr const char* kInterface = "9346116d52125ba64f2b5a6a24da6d4e";  // of the board
constexpr const char* kAfu = "331db30c988541ea9081f88b8f655caa";
constexpr const char* kFirstAfu = "d8424dc4a4a3c413f89e433683f9040b";

std::string ImageDirectory() { return "/run/drapci-images"; }

class FpgaBinding : public SlowBinding {
 protected:
  FpgaBinding() : SlowBinding(fmt::format("images: {}\n", ImageDirectory())) {
    namespace fs = std::filesystem;
    fs::create_directories(ImageDirectory());
    fs::permissions(ImageDirectory(), fs::perms(0755));
    Put("base.gbs", kFirstAfu);
    Put("sort.gbs", kAfu);
  }
  static void Put(const std::string& name, const std::string& afu) {
    const auto image = RunCommand({std::getenv("DFL_IMAGE"), kInterface, afu});
    ASSERT_TRUE(image);
    const std::string path = ImageDirectory() + "/" + name;
    std::ofstream(path, std::ios::binary) << image->out;
    std::filesystem::permissions(path, std::filesystem::perms(0644));
  }
  ClaimObject WithImage(const std::string& name) {
    return Allocated(name, Of(slot_), Opaque("FpgaConfig", {{"image", "sort.gbs"}}, "FromClaim"));
  }
  static std::string Afu() {
    for (const auto& port : std::filesystem::directory_iterator(
             "/sys/bus/pci/devices/0000:3b:00.0/fpga_region/region0")) {
      std::string afu;
      if (std::ifstream(port.path() / "afu_id") >> afu) return afu;
    }
    return "none";
  }
  const std::string slot_ = "pci-0000-3b-00-0-slot0";
};

TEST_F(FpgaBinding, TellsTheSchedulerAfterTheSlotIsProgrammedAndNotBefore) {
  ASSERT_EQ(Afu(), kFirstAfu);
  const ClaimObject claim = WithImage("c");
  ASSERT_TRUE(Soon([&] { return State("c") == "preparing"; }));
  EXPECT_FALSE(Answered("c"));
  ASSERT_TRUE(Soon([&] { return IsTrue("c", kPrepared); }));
  EXPECT_EQ(Afu(), kAfu);
  EXPECT_EQ(Prepare(claim).error, "");
  EXPECT_EQ(Unprepare(claim), "");
  EXPECT_EQ(Afu(), kFirstAfu);
}

TEST_F(FpgaBinding, AFailureTellsTheSchedulerWhyAndLeavesThePreviousImage) {
  Inject({"fault", "/dev/dfl-fme.0", "EIO", "--count", "1"});
  WithImage("c");
  ASSERT_TRUE(Soon([&] { return Answered("c"); }));
  EXPECT_TRUE(IsTrue("c", kFailed));
  EXPECT_THAT(Message("c"), HasSubstr("the card refuses the bitstream"));
  EXPECT_EQ(Afu(), kFirstAfu);
  TakeBack("c");
}

}  // namespace
}  // namespace drapci::test
