// The stand-in's state: it outlives processes, and looks like the driver's files.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "test/sim/nvml/capabilities.h"
#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StateTest : public NvmlTest {
 protected:
  StateTest() { SwitchMigOn(h100_); }

  // How a child process ends that makes an instance.
  int ChildMakesAnInstance() {
    nvml_.Release();
    const pid_t child = ::fork();
    if (child == 0) {
      SystemNvml nvml(kStandIn);
      const bool made = nvml.CreateGpuInstance(h100_, k2g, {.start = 4, .size = 2}).has_value();
      ::_exit(made ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  }
  void KillNext(bool after) {
    Change([&](sim::State& state) {
      state.faults.push_back(
          {.call = "nvmlDeviceCreateGpuInstanceWithPlacement", .after = after, .kill = true});
    });
  }
  std::string Shown(const std::string& path) const {
    std::ifstream file(directory_ + "/proc-driver/" + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool IsShown(const std::string& path) const {
    return std::filesystem::exists(directory_ + "/proc-driver/" + path);
  }
};

TEST_F(StateTest, IsSeenByEveryProcess) {
  EXPECT_EQ(ChildMakesAnInstance(), 0);
  ASSERT_THAT(nvml_.GpuInstances(h100_).value(), SizeIs(1));
  EXPECT_EQ(nvml_.GpuInstances(h100_)->at(0).placement, (MigPlacement{4, 2}));
}

TEST_F(StateTest, OutlivesAProcessThatIsKilledAfterAChange) {
  KillNext(true);
  const int status = ChildMakesAnInstance();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), SizeIs(1));
}

TEST_F(StateTest, IsUntouchedByAProcessThatIsKilledBefore) {
  KillNext(false);
  ASSERT_TRUE(WIFSIGNALED(ChildMakesAnInstance()));
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), IsEmpty());
  EXPECT_TRUE(nvml_.CreateGpuInstance(h100_, k2g, {4, 2}));
}

TEST_F(StateTest, ChangesUnderACallThatClaimsToHaveFailed) {
  Change([](sim::State& state) {
    state.faults.push_back({.call = "nvmlDeviceCreateGpuInstanceWithPlacement",
                            .code = nvml::kTimeout,
                            .after = true});
  });
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k2g, {4, 2}).error().code, Code::kTimeout);
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), SizeIs(1));
}

TEST_F(StateTest, RemembersWhatWasChangedAndWhatWasRefused) {
  const auto made = nvml_.CreateGpuInstance(h100_, k1g, {0, 1}).value();
  ASSERT_FALSE(nvml_.CreateGpuInstance(h100_, k1g, {0, 1}));
  ASSERT_TRUE(nvml_.DestroyGpuInstance(h100_, made.id));
  EXPECT_THAT(State().log,
              ElementsAre("nvmlInitWithFlags () = 0",
                          "nvmlDeviceCreateGpuInstanceWithPlacement 0000:18:00.0 19 0:1 = 0",
                          "nvmlDeviceCreateGpuInstanceWithPlacement 0000:18:00.0 19 0:1 = 23",
                          "nvmlGpuInstanceDestroy 0000:18:00.0 () = 0"));
}

TEST_F(StateTest, FaultsHitTheGpuThatTheyNameAfterAsManyCallsAsTheySay) {
  Change([](sim::State& state) {
    state.faults.push_back({.call = "nvmlDeviceGetName",
                            .gpu = "0000:19:00.0",
                            .skip = 1,
                            .count = 2,
                            .code = nvml::kTimeout});
  });
  EXPECT_TRUE(nvml_.Gpu(h100_));
  EXPECT_TRUE(nvml_.Gpu(a100_));
  EXPECT_FALSE(nvml_.Gpu(a100_));
  EXPECT_TRUE(nvml_.Gpu(h100_));
  EXPECT_FALSE(nvml_.Gpu(a100_));
  EXPECT_TRUE(nvml_.Gpu(a100_));
}

TEST_F(StateTest, ShowsCapabilitiesOfInstancesWhileTheyExist) {
  EXPECT_EQ(Shown("nvidia/capabilities/mig/config"),
            "DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 1\n");
  const auto owner = nvml_.CreateGpuInstance(h100_, k1g, {0, 1}).value();
  const auto compute = nvml_.CreateComputeInstance(h100_, owner.id, 0, {}).value();
  const std::string at = fmt::format("nvidia/capabilities/gpu0/mig/gi{}", owner.id);
  EXPECT_EQ(Shown(at + "/access"),
            fmt::format("DeviceFileMinor: {}\nDeviceFileMode: 292\nDeviceFileModify: 1\n",
                        3 + 9 * owner.id));
  const std::string inner = fmt::format("{}/ci{}", at, compute.id);
  EXPECT_EQ(Shown(inner + "/access"),
            fmt::format("DeviceFileMinor: {}\nDeviceFileMode: 292\nDeviceFileModify: 1\n",
                        3 + 9 * owner.id + 1 + compute.id));
  ASSERT_TRUE(nvml_.DestroyComputeInstance(h100_, owner.id, compute.id));
  EXPECT_FALSE(IsShown(inner));
  EXPECT_TRUE(IsShown(at + "/access"));
  ASSERT_TRUE(nvml_.DestroyGpuInstance(h100_, owner.id));
  EXPECT_FALSE(IsShown(at));
}

TEST_F(StateTest, ShowsTheMinorsOfAllInstancesThereCouldBe) {
  const std::string minors = Shown("nvidia-caps/mig-minors");
  EXPECT_THAT(minors, ::testing::StartsWith("config 1\nmonitor 2\ngpu0/gi0/access 3\n"
                                            "gpu0/gi0/ci0/access 4\n"));
  EXPECT_THAT(minors, HasSubstr("\ngpu3/gi3/ci3/access 439\n"));
  EXPECT_THAT(minors, HasSubstr("\ngpu6/gi11/ci7/access 920\n"));
  EXPECT_EQ(sim::CapabilityMinor(6, 11, 7), 920U);
}

TEST_F(StateTest, ShowsTheGpusThatTheDriverHas) {
  EXPECT_THAT(Shown("nvidia/gpus/0000:18:00.0/information"),
              HasSubstr("GPU UUID: \t " + GpuState(h100_).uuid));
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.bound = false; });
  EXPECT_FALSE(IsShown("nvidia/gpus/0000:18:00.0"));
  Change([](sim::State& state) { state.driver_loaded = false; });
  EXPECT_FALSE(IsShown("nvidia-caps"));
}

TEST_F(StateTest, NeedsOnlyModelAndAddressOfAGpu) {
  const auto state =
      sim::Decode(R"({"gpus": [{"model": "h100-80", "address": "0000:18:00.0", "mig": true}]})");
  ASSERT_TRUE(state) << state.error().what;
  EXPECT_EQ(state->gpus[0].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(state->gpus[0].profiles.size(), 7U);
  EXPECT_TRUE(state->gpus[0].mig);
  EXPECT_EQ(sim::Decode(sim::Encode(*state)).value(), *state);
}

TEST_F(StateTest, RefusesWhatItDoesNotKnow) {
  const auto why = [](std::string_view text) {
    const auto state = sim::Decode(text);
    return state ? "accepted" : state.error().what;
  };
  EXPECT_THAT(why(R"({"gpu": []})"), HasSubstr("no such key: .gpu"));
  EXPECT_THAT(why(R"({"gpus": [{"model": "h100-80", "lsot": true}]})"),
              HasSubstr("no such key: .gpus[0].lsot"));
  EXPECT_THAT(why(R"({"gpus": [{"model": "h1000"}]})"), HasSubstr("known are: a30, a100-40"));
  EXPECT_THAT(why(R"({"made": "many"})"), HasSubstr("type"));
  EXPECT_THAT(why("{"), HasSubstr("parse error"));
}

TEST_F(StateTest, ThatCannotBeReadIsAnErrorOfTheLibrary) {
  ASSERT_TRUE(nvml_.Gpu(h100_));
  std::ofstream(file_.path()) << "{";
  EXPECT_EQ(nvml_.Gpu(h100_).error().code, Code::kIo);
  ASSERT_TRUE(file_.Create({}));
}

}  // namespace
}  // namespace drapci::hal
