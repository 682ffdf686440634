// Switching MIG on and off.
#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using MigModeTest = NvmlTest;

constexpr MigMode kOff{}, kOn{.current = true, .pending = true};
constexpr MigMode kGoingOn{.current = false, .pending = true};

TEST_F(MigModeTest, IsSwitchedAtOnceWhereNoResetIsNeeded) {
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kOff);
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).value(), MigSwitch::kDone);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kOn);
  EXPECT_EQ(nvml_.SetMigMode(h100_, false).value(), MigSwitch::kDone);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kOff);
}

TEST_F(MigModeTest, WaitsForAResetWhereOneIsNeeded) {
  EXPECT_EQ(nvml_.SetMigMode(a100_, true).value(), MigSwitch::kPendingReset);
  EXPECT_EQ(nvml_.GetMigMode(a100_).value(), kGoingOn);
  ChangeGpu(a100_, sim::ResetGpu);
  EXPECT_EQ(nvml_.GetMigMode(a100_).value(), kOn);
}

TEST_F(MigModeTest, WaitsWhileSomebodyComputes) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.processes.push_back({.pid = 9}); });
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).value(), MigSwitch::kPendingInUse);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kGoingOn);
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.processes.clear(); });
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).value(), MigSwitch::kDone);
}

TEST_F(MigModeTest, WaitsWhileADaemonHoldsTheGpuThatNoListNames) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.clients = {"nvidia-persistenced"}; });
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).value(), MigSwitch::kPendingInUse);
  EXPECT_TRUE(nvml_.Processes(h100_)->empty());
}

TEST_F(MigModeTest, TakesBackWhatIsPending) {
  ASSERT_EQ(nvml_.SetMigMode(a100_, true).value(), MigSwitch::kPendingReset);
  EXPECT_EQ(nvml_.SetMigMode(a100_, false).value(), MigSwitch::kDone);
  EXPECT_EQ(nvml_.GetMigMode(a100_).value(), kOff);
}

TEST_F(MigModeTest, TellsAnActivationThatFailedForAnotherReason) {
  Change([](sim::State& state) {
    state.faults.push_back({.call = "nvmlDeviceSetMigMode", .activation = 999});
  });
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).value(), MigSwitch::kPendingFailed);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kGoingOn);
}

TEST_F(MigModeTest, IsNotSwitchedOffOverInstances) {
  SwitchMigOn(h100_);
  ASSERT_TRUE(nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}));
  EXPECT_EQ(nvml_.SetMigMode(h100_, false).error().code, Code::kBusy);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kOn);
}

TEST_F(MigModeTest, IsUnsupportedOnAGpuWithoutIt) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) {
    gpu.mig_capable = false;
    gpu.profiles.clear();
  });
  EXPECT_EQ(nvml_.GetMigMode(h100_).error().code, Code::kUnsupported);
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).error().code, Code::kUnsupported);
  EXPECT_EQ(nvml_.GpuInstanceProfiles(h100_).error().code, Code::kUnsupported);
  // There are none, and that is no failure.
  EXPECT_TRUE(nvml_.GpuInstances(h100_)->empty());
  EXPECT_TRUE(nvml_.MigDevices(h100_)->empty());
}

TEST_F(MigModeTest, IsDeniedToWhomMayNot) {
  FailNext("nvmlDeviceSetMigMode", 4);
  EXPECT_EQ(nvml_.SetMigMode(h100_, true).error().code, Code::kDenied);
}

TEST_F(MigModeTest, OutlivesAReloadOfTheDriverOnlyOnTheBoardsThatKeepIt) {
  SwitchMigOn(h100_);
  SwitchMigOn(a100_);
  Change(sim::ReloadDriver);
  EXPECT_EQ(nvml_.GetMigMode(h100_).value(), kOff);
  EXPECT_EQ(nvml_.GetMigMode(a100_).value(), kOn);
}

}  // namespace
}  // namespace drapci::hal
