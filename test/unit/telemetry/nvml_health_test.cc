#include "test/sim/nvml/simulated_gpus.h"
#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

const std::string kGpu = "0000:1b:00.0";

class NvmlHealthTest : public TelemetryTest {
 protected:
  void SetUp() override {
    LoadBoard("dgx-h100");
    gpus_ = std::make_unique<sim::SimulatedGpus>(machine_.kernel);
    machine_.host.nvml = gpus_.get();
    ASSERT_TRUE(gpus_->Gpus());  // somebody uses the library
    Make(MakeNvmlReader, kGpu);
  }
  ~NvmlHealthTest() override { reader_.reset(); }

  std::unique_ptr<sim::SimulatedGpus> gpus_;
};

TEST_F(NvmlHealthTest, TellsAHealthyGpu) {
  EXPECT_THAT(
      Read(),
      ElementsAre("xid_critical = 0", "xid_application = 0", "gpu_lost = 0", "temperature/GPU = 35",
                  "temperature_margin/GPU = 52 (35 of 87 C)", "power/GPU = 72",
                  "ras_corrected/memory = 0", "ras_uncorrected/memory = 0", "row_remap_pending = 0",
                  "row_remap_failed = 0", "row_remaps/corrected = 0", "row_remaps/uncorrected = 0",
                  "throttled/thermal = 0", "throttled/power = 0", "throttled/hardware = 0"));
}

TEST_F(NvmlHealthTest, CountsXidsOfProgramsApartFromThoseOfTheGpu) {
  Read();
  for (const char* xid : {"31", "63", "13", "94"}) Inject({"xid", kGpu, xid});
  EXPECT_THAT(Read(), IsSupersetOf({"xid_critical = 2 (63, 94)", "xid_application = 2 (31, 13)",
                                    "row_remap_pending = 1", "ras_uncorrected/memory = 1"}));
  EXPECT_THAT(Read(), Contains("xid_critical = 2 (63, 94)")) << "each is counted once";
  Inject({"xid", "0000:43:00.0", "79"});
  EXPECT_THAT(Read(), Contains("xid_critical = 2 (63, 94)")) << "that was another GPU";
}

TEST_F(NvmlHealthTest, TellsAGpuThatHasFallenOffTheBusWithItsLastXid) {
  Read();
  Inject({"xid", kGpu, "79"});
  EXPECT_THAT(Read(), ElementsAre("xid_critical = 1 (79)", "xid_application = 0", "gpu_lost = 1"));
  gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) { sim::nvml::ResetGpu(gpu); });
  EXPECT_THAT(Read(), IsSupersetOf({"xid_critical = 1 (79)", "gpu_lost = 0"}));
  Inject({"xid", kGpu, "48"});
  EXPECT_THAT(Read(), Contains("xid_critical = 2 (79, 48)")) << "it is listened to again";
}

TEST_F(NvmlHealthTest, TellsTemperatureMemoryAndThrottling) {
  Inject({"gpu", kGpu, "temperature", "90"});
  Inject({"gpu", kGpu, "ecc_corrected", "12"});
  Inject({"gpu", kGpu, "remap_failed", "1"});
  Inject({"gpu", kGpu, "remapped_uncorrected", "3"});
  Inject({"gpu", kGpu, "throttle_reasons", "200"});  // 0xc8
  EXPECT_THAT(Read(), IsSupersetOf({"temperature_margin/GPU = -3 (90 of 87 C)",
                                    "ras_corrected/memory = 12", "row_remap_failed = 1",
                                    "row_remaps/uncorrected = 3", "throttled/thermal = 1",
                                    "throttled/power = 1", "throttled/hardware = 1"}));
}

TEST_F(NvmlHealthTest, DoesNotLoadTheLibraryThatWasLetGo) {
  gpus_->Release();
  const size_t calls = gpus_->State().log.size();
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(gpus_->State().log.size(), calls) << "nobody has initialized it";
  ASSERT_TRUE(gpus_->Gpus());
  EXPECT_THAT(Read(), Contains("gpu_lost = 0"));
}

TEST_F(NvmlHealthTest, DoesNotWakeTheGpu) {
  Inject({"sleep", kGpu, "on"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(NvmlHealthTest, LeavesOutWhatTheGpuCannotTell) {
  gpus_->Change([](sim::nvml::State& state) {
    for (const char* call :
         {"nvmlDeviceGetRemappedRows", "nvmlDeviceGetTotalEccErrors", "nvmlDeviceRegisterEvents"}) {
      state.faults.push_back({.call = call, .count = 1000, .code = 3});
    }
  });
  EXPECT_THAT(Read(), AllOf(Contains("gpu_lost = 0"), Not(Contains(StartsWith("xid"))),
                            Not(Contains(StartsWith("ras"))), Not(Contains(StartsWith("row")))));
}

TEST_F(NvmlHealthTest, FailsWhenTheDriverDoes) {
  gpus_->Change(
      [](sim::nvml::State& state) { sim::nvml::FailNext(state, "nvmlDeviceGetPciInfo_v3", 999); });
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
  EXPECT_THAT(Read(), Contains("gpu_lost = 0"));
}

TEST_F(NvmlHealthTest, TakesAGpuThatWantsAResetForALostOne) {
  gpus_->Change(
      [](sim::nvml::State& state) { sim::nvml::FailNext(state, "nvmlDeviceGetPciInfo_v3", 16); });
  EXPECT_THAT(Read(), ElementsAre("gpu_lost = 1"));
}

TEST_F(NvmlHealthTest, IsNoSourceUnderAnotherDriverOrWithoutTheLibrary) {
  PciFunction function = Scan(kGpu);
  function.driver = "vfio-pci";
  EXPECT_EQ(MakeNvmlReader(machine_.host, function), nullptr);
  machine_.host.nvml = nullptr;
  EXPECT_EQ(MakeNvmlReader(machine_.host, Scan(kGpu)), nullptr);
}

}  // namespace
}  // namespace drapci::hal
