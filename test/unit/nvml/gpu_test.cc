// Whole GPUs: what they are, who uses them, what they read, and losing one.
#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using GpuTest = NvmlTest;

TEST_F(GpuTest, IsNamedByItsAddress) {
  EXPECT_THAT(nvml_.Gpus().value(), ElementsAre(h100_, a100_));
  const auto info = nvml_.Gpu(a100_).value();
  EXPECT_EQ(info.address, a100_);
  EXPECT_EQ(info.name, "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(info.uuid, GpuState(a100_).uuid);
  EXPECT_EQ(info.serial, GpuState(a100_).serial);
  EXPECT_EQ(info.minor, 1U);
  EXPECT_EQ(info.memory_bytes, 40960LL << 20);
}

TEST_F(GpuTest, MayHaveNoSerialNumber) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.serial.clear(); });
  EXPECT_EQ(nvml_.Gpu(h100_)->serial, "");
}

TEST_F(GpuTest, TellsItsMinorNumberAnewEachTime) {
  ASSERT_EQ(nvml_.Gpu(h100_)->minor, 0U);
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.minor = 5; });
  EXPECT_EQ(nvml_.Gpu(h100_)->minor, 5U);
}

TEST_F(GpuTest, IsNotFoundWhereThereIsNone) {
  const auto missing = nvml_.Gpu(At("0000:77:00.0"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST_F(GpuTest, IsGoneForEveryQuestionOnceItIsLostAndTheOthersGoOn) {
  SwitchMigOn(h100_);
  const auto instance = nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}).value();
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.lost = true; });
  const auto gone = [](const auto& result) {
    return !result && result.error().code == Code::kGone &&
           result.error().what.contains("NVML_ERROR_GPU_IS_LOST (15)");
  };
  EXPECT_TRUE(gone(nvml_.Gpu(h100_)));
  EXPECT_TRUE(gone(nvml_.GetMigMode(h100_)));
  EXPECT_TRUE(gone(nvml_.SetMigMode(h100_, false)));
  EXPECT_TRUE(gone(nvml_.GpuInstanceProfiles(h100_)));
  EXPECT_TRUE(gone(nvml_.RemainingGpuInstances(h100_, k1g)));
  EXPECT_TRUE(gone(nvml_.GpuInstances(h100_)));
  EXPECT_TRUE(gone(nvml_.CreateGpuInstance(h100_, k1g, {.start = 1, .size = 1})));
  EXPECT_TRUE(gone(nvml_.DestroyGpuInstance(h100_, instance.id)));
  EXPECT_TRUE(gone(nvml_.ComputeInstanceProfiles(h100_, instance.id)));
  EXPECT_TRUE(gone(nvml_.ComputeInstances(h100_, instance.id)));
  EXPECT_TRUE(gone(nvml_.CreateComputeInstance(h100_, instance.id, 0, {})));
  EXPECT_TRUE(gone(nvml_.DestroyComputeInstance(h100_, instance.id, 0)));
  EXPECT_TRUE(gone(nvml_.MigDevices(h100_)));
  EXPECT_TRUE(gone(nvml_.Processes(h100_)));
  EXPECT_TRUE(gone(nvml_.Telemetry(h100_)));
  EXPECT_TRUE(nvml_.Gpu(a100_));
  EXPECT_THAT(nvml_.Gpus().value(), ElementsAre(a100_));
}

TEST_F(GpuTest, IsGoneWhenItIsLostBetweenTwoCallsOfOneQuestion) {
  SwitchMigOn(h100_);
  Change([&](sim::State& state) {
    state.faults.push_back({.call = "nvmlDeviceGetGpuInstances", .skip = 3, .code = 15});
  });
  EXPECT_EQ(nvml_.GpuInstances(h100_).error().code, Code::kGone);
}

TEST_F(GpuTest, ComesBackFromAResetWithoutItsInstances) {
  SwitchMigOn(h100_);
  ASSERT_TRUE(nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}));
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.lost = true; });
  ASSERT_FALSE(nvml_.Gpu(h100_));
  nvml_.Release();
  ChangeGpu(h100_, sim::ResetGpu);
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), IsEmpty());
}

TEST_F(GpuTest, ListsWhoComputesOrDraws) {
  EXPECT_THAT(nvml_.Processes(h100_).value(), IsEmpty());
  ChangeGpu(h100_, [](sim::Gpu& gpu) {
    for (int pid = 140; pid > 100; --pid) gpu.processes.push_back({.pid = pid, .memory_mib = 64});
    gpu.processes.push_back({.pid = 7, .memory_mib = -1, .graphics = true});
    gpu.processes.push_back({.pid = 101, .memory_mib = 64, .graphics = true});
  });
  const auto processes = nvml_.Processes(h100_).value();
  ASSERT_EQ(processes.size(), 41U);
  EXPECT_EQ(processes[0], (GpuProcess{.pid = 7}));
  EXPECT_EQ(processes[1], (GpuProcess{.pid = 101, .memory_bytes = 64 << 20}));
  EXPECT_EQ(processes[40].pid, 140U);
}

TEST_F(GpuTest, ListsAProcessOfAMigDeviceOnceWithItsInstance) {
  SwitchMigOn(h100_);
  const auto owner = nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}).value();
  const auto compute = nvml_.CreateComputeInstance(h100_, owner.id, 0, {}).value();
  ChangeGpu(h100_, [&](sim::Gpu& gpu) {
    gpu.processes.push_back(
        {.pid = 4242, .memory_mib = 1, .gpu_instance = owner.id, .compute_instance = compute.id});
  });
  EXPECT_THAT(nvml_.Processes(h100_).value(),
              ElementsAre(GpuProcess{.pid = 4242,
                                     .memory_bytes = 1 << 20,
                                     .gpu_instance = owner.id,
                                     .compute_instance = compute.id}));
}

TEST_F(GpuTest, GivesUpOnAListOfProcessesThatNeverFits) {
  Change([](sim::State& state) {
    state.faults.push_back(
        {.call = "nvmlDeviceGetComputeRunningProcesses_v3", .count = 100, .code = 7});
  });
  const auto refused = nvml_.Processes(h100_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("INSUFFICIENT_SIZE"));
}

TEST_F(GpuTest, TellsProcessesThatDrawWhereComputingOnesAreNotTold) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.processes.push_back({.pid = 7, .graphics = true}); });
  FailNext("nvmlDeviceGetComputeRunningProcesses_v3", 3);
  EXPECT_EQ(nvml_.Processes(h100_)->size(), 1U);
  FailNext("nvmlDeviceGetComputeRunningProcesses_v3", 3);
  FailNext("nvmlDeviceGetGraphicsRunningProcesses_v3", 3);
  EXPECT_EQ(nvml_.Processes(h100_).error().code, Code::kUnsupported);
}

TEST_F(GpuTest, TellsWhatItsSensorsRead) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) {
    gpu.temperature = 61;
    gpu.power_milliwatt = 512000;
    gpu.gpu_percent = 97;
    gpu.memory_percent = 40;
    gpu.ecc_corrected = 12;
    gpu.ecc_uncorrected = 1;
  });
  const auto now = nvml_.Telemetry(h100_).value();
  EXPECT_EQ(now.temperature_celsius, 61);
  EXPECT_EQ(now.power_milliwatt, 512000);
  EXPECT_EQ(now.gpu_percent, 97);
  EXPECT_EQ(now.memory_percent, 40);
  EXPECT_EQ(now.ecc_corrected, 12);
  EXPECT_EQ(now.ecc_uncorrected, 1);
}

TEST_F(GpuTest, TellsItsHealthOnlyWhileSomebodyUsesTheLibrary) {
  EXPECT_EQ(nvml_.Health(h100_).error().code, Code::kBusy);
  EXPECT_THAT(State().log, testing::IsEmpty()) << "nobody has initialized it";
  ASSERT_TRUE(nvml_.Gpus());
  EXPECT_TRUE(nvml_.Health(h100_));
  nvml_.Release();
  EXPECT_EQ(nvml_.Health(h100_).error().code, Code::kBusy);
}

TEST_F(GpuTest, TellsItsXidsOnceAlsoAfterTheLibraryWasLoadedAnew) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  ASSERT_TRUE(nvml_.Gpus());
  EXPECT_THAT(*nvml_.Health(h100_)->xids, IsEmpty());
  ChangeGpu(h100_, [](sim::Gpu& gpu) { sim::RaiseXid(gpu, 31), sim::RaiseXid(gpu, 63); });
  EXPECT_THAT(*nvml_.Health(h100_)->xids, ElementsAre(31U, 63U));
  EXPECT_THAT(*nvml_.Health(h100_)->xids, IsEmpty());
  nvml_.Release();
  ASSERT_TRUE(nvml_.Gpus());
  EXPECT_THAT(*nvml_.Health(h100_)->xids, IsEmpty());
  ChangeGpu(h100_, [](sim::Gpu& gpu) { sim::RaiseXid(gpu, 48); });
  EXPECT_THAT(*nvml_.Health(h100_)->xids, ElementsAre(48U));
}

TEST_F(GpuTest, TellsManyXidsInPieces) {
  ASSERT_TRUE(nvml_.Gpus());
  ASSERT_TRUE(nvml_.Health(h100_));
  ChangeGpu(h100_, [](sim::Gpu& gpu) {
    for (int i = 0; i < 300; ++i) sim::RaiseXid(gpu, 13);
  });
  EXPECT_EQ(nvml_.Health(h100_)->xids->size(), 64U);
  EXPECT_EQ(nvml_.Health(h100_)->xids->size(), 36U) << "the driver keeps a hundred";
}

TEST_F(GpuTest, LeavesOutOfItsHealthWhatAnOldDriverDoesNotKnow) {
  SystemNvml old(kOldStandIn);
  ASSERT_TRUE(old.Gpus());
  const auto health = old.Health(h100_);
  ASSERT_TRUE(health) << health.error().what;
  EXPECT_FALSE(health->lost);
  EXPECT_FALSE(health->xids || health->remap_failed || health->throttle);
  EXPECT_EQ(health->telemetry.temperature_celsius, 35);
}

TEST_F(GpuTest, LeavesOutWhatASensorDoesNotTell) {
  SwitchMigOn(h100_);
  FailNext("nvmlDeviceGetPowerUsage", 3);
  const auto now = nvml_.Telemetry(h100_).value();
  EXPECT_EQ(now.gpu_percent, std::nullopt);
  EXPECT_EQ(now.power_milliwatt, std::nullopt);
  EXPECT_EQ(now.temperature_celsius, 35);
}

}  // namespace
}  // namespace drapci::hal
