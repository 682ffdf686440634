#include "hal/accel/xe_settings.h"

#include <gmock/gmock.h>

#include "test/unit/accel/xe_machine.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class XeSettings : public test::XeMachine {};

// --- xe.pool

TEST_F(XeSettings, ThePoolIsWhatVfsWithoutADriverHave) {
  EXPECT_EQ(Probe("xe.pool", kCard), "none");
  ASSERT_EQ(MakeVfsWithoutDriver(2), 0);
  ASSERT_EQ(Store("/sys/bus/pci/drivers/xe/bind", "0000:3a:00.1"), 0);
  EXPECT_EQ(Probe("xe.pool", kCard), "vf1=4294967296");
  ASSERT_TRUE(Set("xe.pool", kCard, "none"));
  EXPECT_EQ(Probe("xe.pool", kCard), "vf1=0");
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf0"), "vram=4294967296 exec=0 preempt=0") << "it is in use";
}

TEST_F(XeSettings, ThePoolIsPutBackWhateverTheOrder) {
  ASSERT_EQ(MakeVfsWithoutDriver(3), 0);
  const std::string fair = Probe("xe.pool", kCard);
  ASSERT_TRUE(Set("xe.pool", kCard, "none"));
  ASSERT_TRUE(Set("xe.vf", kCard + "/vf2", "vram=24696061952"));  // all of it
  ASSERT_TRUE(Set("xe.pool", kCard, fair));
  EXPECT_EQ(Probe("xe.pool", kCard), fair);
  EXPECT_TRUE(Find("xe.pool").Satisfies("vf1=0", "none"));
  EXPECT_TRUE(Find("xe.pool").Satisfies("none", "vf1=5")) << "vf1 has got a user";
  EXPECT_FALSE(Find("xe.pool").Satisfies("vf1=0", "vf1=5"));
}

TEST_F(XeSettings, WhatSomebodyHasTakenFromThePoolIsLeftToThem) {
  ASSERT_EQ(MakeVfsWithoutDriver(2), 0);
  ASSERT_TRUE(Set("xe.pool", kCard, "none"));
  machine_->kernel.faults().FailWrite("*/vram_quota", ENOMEM);
  EXPECT_EQ(Set("xe.pool", kCard, "vf0=4294967296 vf1=4294967296").error().code, Code::kConflict);
  machine_->kernel.faults().FailWrite("*/vram_quota", EIO);
  EXPECT_EQ(Set("xe.pool", kCard, "vf0=4294967296 vf1=4294967296").error().code, Code::kIo);
}

// --- xe.vf

TEST_F(XeSettings, AQuotaIsNotChangedUnderADriver) {
  ASSERT_EQ(MakeVfs(1), 0);
  const auto refused = Set("xe.vf", kCard + "/vf0", "vram=1073741824");
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("bound to xe"));
  EXPECT_TRUE(Set("xe.vf", kCard + "/vf0", "exec=5 preempt=16000")) << "time can be";
}

TEST_F(XeSettings, WhatItGoesBackToIsNoMemoryAndTheTimeThatItHad) {
  const Setting& vf = Find("xe.vf");
  const char* want = "vram=10737418240 exec=20 preempt=40000";
  EXPECT_EQ(vf.Before("vram=1073741824 exec=3 preempt=5", want), "vram=0 exec=3 preempt=5");
  EXPECT_EQ(vf.Before("vram=7 exec=mixed preempt=5", want), "vram=0 exec=0 preempt=5");
  EXPECT_EQ(vf.Before("vram=7 exec=1 preempt=5", "exec=9"), "exec=1");
}

TEST_F(XeSettings, KnowsItsOwnTraces) {
  const Setting& vf = Find("xe.vf");
  const auto between = [&](const char* now) {
    return vf.Between(now, "vram=0 exec=0 preempt=0", "vram=10737418240 exec=20 preempt=40000");
  };
  EXPECT_TRUE(between("vram=0 exec=20 preempt=0"));
  EXPECT_TRUE(between("vram=10737418240 exec=mixed preempt=0"));
  EXPECT_FALSE(between("vram=5368709120 exec=20 preempt=40000")) << "somebody else";
  EXPECT_FALSE(between("vram=5368709120 exec=20 preempt=0")) << "memory comes first";
  EXPECT_TRUE(between("vram=1073741824 exec=0 preempt=0")) << "as the driver divides it";
  EXPECT_TRUE(vf.Satisfies("vram=10739515392 exec=1 preempt=1", "vram=10737418240")) << "rounded";
  EXPECT_FALSE(vf.Satisfies("vram=2097152 exec=1 preempt=1", "vram=0"));
}

TEST_F(XeSettings, MakesTheTimeOfAllEnginesTheSame) {
  ASSERT_EQ(MakeVfsWithoutDriver(1), 0);
  ASSERT_EQ(Store("/sys/kernel/debug/dri/0000:3a:00.0/sriov/vf1/tile0/gt1/exec_quantum_ms", "7"),
            0);
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf0"), "vram=8589934592 exec=mixed preempt=0");
  ASSERT_TRUE(Set("xe.vf", kCard + "/vf0", "exec=0"));
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf0"), "vram=8589934592 exec=0 preempt=0");
}

TEST_F(XeSettings, SaysWhatAnErrnoOfTheDriverMeans) {
  ASSERT_EQ(MakeVfsWithoutDriver(1), 0);
  const std::string vf = kCard + "/vf0";
  EXPECT_THAT(Set("xe.vf", vf, "vram=107374182400").error().what,
              HasSubstr("less memory than that"));
  for (const auto& [error, text] : {std::pair(EIO, "firmware (GuC) has refused"),
                                    {EPERM, "cannot change that"},
                                    {EOPNOTSUPP, "cannot change that"}}) {
    machine_->kernel.faults().FailWrite("*/exec_quantum_ms", error);
    const auto refused = Set("xe.vf", vf, "exec=9");
    EXPECT_THAT(refused.error().what, HasSubstr(text));
    EXPECT_THAT(refused.error().what, HasSubstr("exec_quantum_ms"));
  }
}

TEST_F(XeSettings, ValuesHaveOneSpelling) {
  for (const char* bad : {"", "vram=", "vram=x", "vram=-1", "vram=01", "exec=1 vram=1",
                          "vram=1 vram=1", "vram=1  exec=1", "vram=99999999999999999999"}) {
    EXPECT_FALSE(XeVf::Parse(bad)) << bad;
  }
  for (const char* bad : {"", "vf1", "vf1=x", "vf2=1 vf1=1", "vf1=1 vf1=2", "x=1", "vf1=-1"}) {
    EXPECT_FALSE(ParseXePool(bad)) << bad;
  }
  EXPECT_THAT(*ParseXePool("vf1=0 vf10=5"), ElementsAre(Pair(1, 0), Pair(10, 5)));
  EXPECT_EQ(Set("xe.vf", kCard, "vram=1").error().code, Code::kInvalid);
  EXPECT_EQ(Set("xe.pool", kCard + "/vf0", "none").error().code, Code::kInvalid);
  ASSERT_EQ(MakeVfsWithoutDriver(1), 0);
  EXPECT_EQ(Set("xe.vf", kCard + "/vf0", "exec=mixed").error().code, Code::kInvalid);
  EXPECT_EQ(Set("xe.vf", kCard + "/vf9", "vram=1").error().code, Code::kGone);
}

}  // namespace
}  // namespace drapci::hal
