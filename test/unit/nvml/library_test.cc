// Loading, initializing and losing the library.
#include "hal/nvml/library.h"

#include <dlfcn.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LibraryTest : public NvmlTest {
 protected:
  int Initializations() const {
    return static_cast<int>(std::ranges::count_if(State().log, [](const std::string& line) {
      return line.starts_with("nvmlInit") && line.ends_with("= 0");
    }));
  }
};

TEST_F(LibraryTest, IsUnsupportedWhenMissingAndFoundWhenItComesLater) {
  const std::string path = directory_ + "/libnvidia-ml.so.1";
  SystemNvml nvml(path);
  const auto missing = nvml.DriverVersion();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kUnsupported);
  EXPECT_THAT(missing.error().what, HasSubstr("install NVIDIA's driver"));
  std::filesystem::copy_file(kStandIn, path);
  EXPECT_EQ(nvml.DriverVersion().value(), "580.95.05");
}

TEST_F(LibraryTest, RefusesAFileThatIsNoLibrary) {
  const std::string path = directory_ + "/text.so";
  std::ofstream(path) << "not a library";
  EXPECT_EQ(SystemNvml(path).DriverVersion().error().code, Code::kUnsupported);
}

TEST_F(LibraryTest, RefusesALibraryWithoutItsFunctions) {
  // Any library will do that is none of NVIDIA's.
  const auto refused = SystemNvml("libc.so.6").DriverVersion();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_THAT(refused.error().what, HasSubstr("FUNCTION_NOT_FOUND"));
}

TEST_F(LibraryTest, StandInExportsTheNewestNameOfEveryFunctionAndNothingElse) {
  void* library = ::dlopen(kStandIn, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto first = [](const char* name, auto...) { return name; };
#define EXPECT_EXPORTED(field, signature, ...) \
  EXPECT_NE(::dlsym(library, first(__VA_ARGS__)), nullptr) << #field;
  DRAPCI_NVML_FUNCTIONS(EXPECT_EXPORTED)
#undef EXPECT_EXPORTED
  EXPECT_EQ(::dlsym(library, "_ZN6drapci3sim4nvml8ShutdownEv"), nullptr);
  ::dlclose(library);
}

TEST_F(LibraryTest, LoadsNothingBeforeTheFirstCallAndInitializesOnceForMany) {
  EXPECT_EQ(Initializations(), 0);
  ASSERT_TRUE(nvml_.DriverVersion());
  ASSERT_TRUE(nvml_.Gpu(h100_));
  ASSERT_TRUE(nvml_.Gpu(a100_));
  EXPECT_EQ(Initializations(), 1);
}

TEST_F(LibraryTest, ReleaseShutsDownAndTheNextCallInitializesAgain) {
  ASSERT_TRUE(nvml_.DriverVersion());
  nvml_.Release();
  nvml_.Release();
  EXPECT_THAT(State().log, ElementsAre("nvmlInitWithFlags () = 0", "nvmlShutdown () = 0"));
  EXPECT_TRUE(nvml_.DriverVersion());
  EXPECT_EQ(Initializations(), 2);
}

TEST_F(LibraryTest, AnswersOnANodeWhoseGpusAreAllElsewhere) {
  Start({});
  EXPECT_THAT(nvml_.Gpus().value(), IsEmpty());
}

TEST_F(LibraryTest, InitializesAgainAfterTheDriverWasLoadedAnew) {
  SwitchMigOn(h100_);
  ASSERT_TRUE(nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}));
  Change(sim::ReloadDriver);
  SwitchMigOn(h100_);
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), IsEmpty());
  EXPECT_EQ(Initializations(), 2);
}

TEST_F(LibraryTest, InitializesAgainAfterTheDriverWasUpdated) {
  ASSERT_TRUE(nvml_.DriverVersion());
  Change([](sim::State& state) {
    state.driver_version = "590.10";
    sim::ReloadDriver(state);
  });
  EXPECT_EQ(nvml_.DriverVersion().value(), "590.10");
}

TEST_F(LibraryTest, SaysThatTheDriverIsGoneAndAnswersWhenItIsBack) {
  ASSERT_TRUE(nvml_.Gpu(h100_));
  Change([](sim::State& state) { state.driver_loaded = false; });
  for (int i = 0; i < 2; ++i) {
    const auto refused = nvml_.Gpu(h100_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kUnsupported);
    EXPECT_THAT(refused.error().what, HasSubstr("DRIVER_NOT_LOADED"));
  }
  Change(sim::ReloadDriver);
  EXPECT_TRUE(nvml_.Gpu(h100_));
}

TEST_F(LibraryTest, DoesAChangeOnceWhenTheDriverWasLoadedAnewJustBefore) {
  SwitchMigOn(a100_);
  ASSERT_TRUE(nvml_.Gpu(a100_));
  Change(sim::ReloadDriver);
  ASSERT_TRUE(nvml_.CreateGpuInstance(a100_, k1g, {.start = 3, .size = 1}));
  EXPECT_EQ(GpuState(a100_).instances.size(), 1U);
}

TEST_F(LibraryTest, TriesTwiceAndNoMore) {
  FailNext("nvmlDeviceGetName", nvml::kUninitialized);
  EXPECT_TRUE(nvml_.Gpu(h100_));
  FailNext("nvmlDeviceGetName", nvml::kUninitialized);
  FailNext("nvmlDeviceGetName", nvml::kUninitialized);
  EXPECT_FALSE(nvml_.Gpu(h100_));
  EXPECT_THAT(State().faults, IsEmpty());
}

TEST_F(LibraryTest, DoesNotRepeatWhatFailedForAnUnknownReasonWhileTheDriverAnswers) {
  SwitchMigOn(h100_);
  FailNext("nvmlDeviceCreateGpuInstanceWithPlacement", nvml::kUnknown);
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1}).error().code, Code::kIo);
  EXPECT_THAT(GpuState(h100_).instances, IsEmpty());
  EXPECT_EQ(Initializations(), 1);
}

TEST_F(LibraryTest, TakesAnUnknownErrorForALostDriverWhenNotEvenItsVersionCanBeHad) {
  ASSERT_TRUE(nvml_.Gpu(h100_));
  FailNext("nvmlDeviceGetName", nvml::kUnknown);
  FailNext("nvmlSystemGetDriverVersion", nvml::kUnknown);
  EXPECT_TRUE(nvml_.Gpu(h100_));
  EXPECT_EQ(Initializations(), 2);
}

TEST_F(LibraryTest, SeesAGpuThatWasBoundToTheDriverLater) {
  ChangeGpu(a100_, [](sim::Gpu& gpu) { gpu.bound = false; });
  EXPECT_THAT(nvml_.Gpus().value(), ElementsAre(h100_));
  const auto missing = nvml_.Gpu(a100_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().what, HasSubstr("0000:19:00.0"));
  ChangeGpu(a100_, [](sim::Gpu& gpu) { gpu.bound = true; });
  EXPECT_TRUE(nvml_.Gpu(a100_));
}

TEST_F(LibraryTest, ServesThreadsWhileOthersReleaseItAndTheDriverIsLoadedAnew) {
  SwitchMigOn(h100_);
  SwitchMigOn(a100_);
  std::atomic<int> failed = 0;
  const auto work = [&](const PciAddress& gpu) {
    for (uint32_t round = 0; round < 40; ++round) {
      const auto made = nvml_.CreateGpuInstance(gpu, k1g, {.start = round % 7, .size = 1});
      if (!made || !nvml_.DestroyGpuInstance(gpu, made->id)) ++failed;
    }
  };
  std::thread one(work, h100_), other(work, a100_);
  for (int round = 0; round < 20; ++round) {
    if (!nvml_.MigDevices(h100_)) ++failed;
    nvml_.Release();
  }
  one.join();
  other.join();
  EXPECT_EQ(failed, 0);
  EXPECT_THAT(GpuState(h100_).instances, IsEmpty());
  EXPECT_THAT(GpuState(a100_).instances, IsEmpty());
}

class OldLibraryTest : public NvmlTest {
 protected:
  SystemNvml old_{kOldStandIn};
};

TEST_F(OldLibraryTest, AnswersWhatItCan) {
  const auto info = old_.Gpu(h100_).value();
  EXPECT_EQ(info.memory_bytes, 81559LL << 20);
  EXPECT_EQ(old_.Gpus()->size(), 2U);
  EXPECT_EQ(old_.Telemetry(h100_)->temperature_celsius, 35);
  EXPECT_EQ(old_.Telemetry(h100_)->power_milliwatt, std::nullopt);
}

TEST_F(OldLibraryTest, NamesProfilesItself) {
  Start({"h100-80", "a100-40"});
  for (const PciAddress& gpu : {h100_, a100_}) {
    const auto old = old_.GpuInstanceProfiles(gpu).value();
    const auto now = nvml_.GpuInstanceProfiles(gpu).value();
    ASSERT_EQ(old.size(), now.size());
    for (size_t i = 0; i < old.size(); ++i) {
      EXPECT_EQ(old[i].name, now[i].name);
      EXPECT_EQ(old[i].id, now[i].id);
      EXPECT_EQ(old[i].placements, now[i].placements);
    }
  }
}

TEST_F(OldLibraryTest, RefusesWhatItLacks) {
  SwitchMigOn(h100_);
  const auto made = old_.CreateGpuInstance(h100_, k1g, {.start = 0, .size = 1});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnsupported);
  EXPECT_THAT(made.error().what, HasSubstr("FUNCTION_NOT_FOUND (13): the driver is too old"));
  EXPECT_EQ(old_.RemainingGpuInstances(h100_, k1g).error().code, Code::kUnsupported);
}

TEST_F(OldLibraryTest, ListsInstancesThatTellNoPlace) {
  SwitchMigOn(h100_);
  const auto owner = nvml_.CreateGpuInstance(h100_, k2g, {.start = 2, .size = 2}).value();
  const auto made = nvml_.CreateComputeInstance(h100_, owner.id, 0, MigPlacement{1, 1}).value();
  nvml_.Release();
  EXPECT_THAT(old_.ComputeInstances(h100_, owner.id).value(),
              ElementsAre(ComputeInstance{.id = made.id, .profile_id = 0, .placement = {}}));
  EXPECT_THAT(old_.GpuInstances(h100_).value(), ElementsAre(owner));
}

}  // namespace
}  // namespace drapci::hal
