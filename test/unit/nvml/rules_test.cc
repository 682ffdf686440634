// The stand-in keeps MIG's rules: each is broken on purpose, and NVML's own code is seen.
#include "test/sim/nvml/mig_rules.h"

#include <random>

#include "hal/nvml/library.h"
#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using nvml::Functions;
using nvml::Placement;
using nvml::Return;

// Calls the library's functions one by one, as NVML's callers do.
class RulesTest : public NvmlTest {
 protected:
  RulesTest() { SwitchMigOn(h100_); }

  // What `work`, which gets the session and the handle of the H100, returns.
  Return Raw(const std::function<Return(nvml::Session&, nvml::Device)>& work) {
    const auto returned = library_.Run([&](nvml::Session& session) -> Result<Return> {
      DRAPCI_TRY(nvml::Device device, session.Find(h100_));
      return work(session, device);
    });
    EXPECT_TRUE(returned) << returned.error().what;
    return returned.value_or(-1);
  }
  Return Create(uint32_t profile, Placement place) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      nvml::GpuInstanceHandle made = nullptr;
      return session.Call(&Functions::DeviceCreateGpuInstanceWithPlacement, device, profile, &place,
                          &made);
    });
  }
  Return CreateCompute(uint32_t owner, uint32_t profile, Placement place) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      nvml::GpuInstanceHandle handle = nullptr;
      nvml::ComputeInstanceHandle made = nullptr;
      session.Call(&Functions::DeviceGetGpuInstanceById, device, owner, &handle);
      return session.Call(&Functions::GpuInstanceCreateComputeInstanceWithPlacement, handle,
                          profile, &place, &made);
    });
  }

  nvml::Library library_{kStandIn};
};

TEST_F(RulesTest, InstancesDoNotOverlap) {
  EXPECT_EQ(Create(k2g, {2, 2}), nvml::kSuccess);
  EXPECT_EQ(Create(k1g, {3, 1}), nvml::kInsufficientResources);
  EXPECT_EQ(Create(k3g, {0, 4}), nvml::kInsufficientResources);
  EXPECT_EQ(Create(k7g, {0, 8}), nvml::kInsufficientResources);
  EXPECT_EQ(Create(k3g, {4, 4}), nvml::kSuccess);
}

TEST_F(RulesTest, ComputeSlicesRunOutBeforeMemorySlices) {
  // 4 + 3 of 7, in 8 of 8; and 3 + 3 of 7 leaves no memory for the seventh.
  EXPECT_EQ(Create(k4g, {0, 4}), nvml::kSuccess);
  EXPECT_EQ(Create(k2g, {4, 2}), nvml::kSuccess);
  EXPECT_EQ(Create(k1gDouble, {6, 2}), nvml::kSuccess);
}

TEST_F(RulesTest, TheEighthMemorySliceIsNoPlaceForASmallInstance) {
  for (uint32_t start = 0; start < 7; ++start) EXPECT_EQ(Create(k1g, {start, 1}), nvml::kSuccess);
  EXPECT_EQ(Create(k1g, {7, 1}), nvml::kInvalidArgument);
}

TEST_F(RulesTest, ThereIsOneMediaExtension) {
  EXPECT_EQ(Create(k1gMe, {0, 1}), nvml::kSuccess);
  EXPECT_EQ(Create(k1gMe, {1, 1}), nvml::kInsufficientResources);
  EXPECT_EQ(Create(k1g, {1, 1}), nvml::kSuccess);
}

TEST_F(RulesTest, MediaExtensionIsOneForAllProfilesThatTakeIt) {
  Start({"a30"});
  SwitchMigOn(h100_);
  EXPECT_EQ(Create(6, {0, 2}), nvml::kSuccess);
  EXPECT_EQ(Create(21, {2, 1}), nvml::kInsufficientResources);
  EXPECT_EQ(Create(14, {2, 1}), nvml::kSuccess);
}

TEST_F(RulesTest, PlacesAreThoseOfTheProfile) {
  EXPECT_EQ(Create(k2g, {1, 2}), nvml::kInvalidArgument);
  EXPECT_EQ(Create(k2g, {0, 1}), nvml::kInvalidArgument);
  EXPECT_EQ(Create(k4g, {4, 4}), nvml::kInvalidArgument);
  EXPECT_EQ(Create(1, {0, 2}), nvml::kInvalidArgument);  // an index is no id
}

TEST_F(RulesTest, NothingIsMadeOutsideOfTheMigMode) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.mig = false; });
  EXPECT_EQ(Create(k1g, {0, 1}), nvml::kNotSupported);
  EXPECT_EQ(Raw([](nvml::Session& session, nvml::Device device) {
              nvml::Device mig = nullptr;
              return session.Call(&Functions::DeviceGetMigDeviceHandleByIndex, device, 0U, &mig);
            }),
            nvml::kNotSupported);
}

TEST_F(RulesTest, ParentsAreNotDestroyedBeforeTheirChildren) {
  ASSERT_EQ(Create(k1g, {0, 1}), nvml::kSuccess);
  const uint32_t id = GpuState(h100_).instances[0].id;
  ASSERT_EQ(CreateCompute(id, 0, {0, 1}), nvml::kSuccess);
  EXPECT_EQ(Raw([&](nvml::Session& session, nvml::Device device) {
              nvml::GpuInstanceHandle handle = nullptr;
              session.Call(&Functions::DeviceGetGpuInstanceById, device, id, &handle);
              return session.Call(&Functions::GpuInstanceDestroy, handle);
            }),
            nvml::kInUse);
}

TEST_F(RulesTest, ComputeInstancesDoNotOverlapEither) {
  ASSERT_EQ(Create(k4g, {0, 4}), nvml::kSuccess);
  const uint32_t id = GpuState(h100_).instances[0].id;
  EXPECT_EQ(CreateCompute(id, 1, {2, 2}), nvml::kSuccess);
  EXPECT_EQ(CreateCompute(id, 0, {3, 1}), nvml::kInsufficientResources);
  EXPECT_EQ(CreateCompute(id, 3, {0, 4}), nvml::kInsufficientResources);
  EXPECT_EQ(CreateCompute(id, 1, {1, 2}), nvml::kInvalidArgument);
  EXPECT_EQ(CreateCompute(id, 2, {0, 3}), nvml::kInvalidArgument);  // no threes in a four
  EXPECT_EQ(CreateCompute(id, 4, {0, 7}), nvml::kInvalidArgument);
}

TEST_F(RulesTest, CountsComeInTwoSteps) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) {
    for (int pid : {1, 2, 3}) gpu.processes.push_back({.pid = pid});
  });
  uint32_t count = 0;
  nvml::ProcessInfo infos[3];
  const auto ask = [&](nvml::ProcessInfo* out) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      return session.Call(&Functions::DeviceGetComputeRunningProcesses, device, &count, out);
    });
  };
  EXPECT_EQ(ask(nullptr), nvml::kInsufficientSize);
  EXPECT_EQ(count, 3U);
  count = 2;
  EXPECT_EQ(ask(infos), nvml::kInsufficientSize);
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(ask(infos), nvml::kSuccess);

  Placement places[7];
  const auto ask_places = [&](Placement* out) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      return session.Call(&Functions::DeviceGetGpuInstancePossiblePlacements, device, k1g, out,
                          &count);
    });
  };
  count = 0;
  EXPECT_EQ(ask_places(nullptr), nvml::kSuccess);
  EXPECT_EQ(count, 7U);
  count = 6;
  EXPECT_EQ(ask_places(places), nvml::kInsufficientSize);
}

TEST_F(RulesTest, StructsOfVersionsUnknownAreRefused) {
  EXPECT_EQ(Raw([](nvml::Session& session, nvml::Device device) {
              nvml::GpuInstanceProfileInfoV3 info{};
              info.version = nvml::VersionWord<nvml::GpuInstanceProfileInfoV3>(4);
              return session.Call(&Functions::DeviceGetGpuInstanceProfileInfoV, device, 0U,
                                  static_cast<void*>(&info));
            }),
            nvml::kArgumentVersionMismatch);
}

TEST_F(RulesTest, IndexesOfProfilesThatTheGpuLacksAreToldFromThoseThatAreNone) {
  const auto ask = [&](uint32_t index) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      nvml::GpuInstanceProfileInfo info{};
      return session.Call(&Functions::DeviceGetGpuInstanceProfileInfo, device, index, &info);
    });
  };
  EXPECT_EQ(ask(0), nvml::kSuccess);
  EXPECT_EQ(ask(5), nvml::kNotSupported);
  EXPECT_EQ(ask(0x12), nvml::kInvalidArgument);
}

TEST_F(RulesTest, MigDeviceIndexesHaveHoles) {
  for (uint32_t start : {0U, 1U, 2U}) {
    ASSERT_EQ(Create(k1g, {start, 1}), nvml::kSuccess);
    ASSERT_EQ(CreateCompute(GpuState(h100_).instances.back().id, 0, {0, 1}), nvml::kSuccess);
  }
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.instances.erase(gpu.instances.begin() + 1); });
  const auto ask = [&](uint32_t index) {
    return Raw([&](nvml::Session& session, nvml::Device device) {
      nvml::Device mig = nullptr;
      return session.Call(&Functions::DeviceGetMigDeviceHandleByIndex, device, index, &mig);
    });
  };
  EXPECT_EQ(ask(0), nvml::kSuccess);
  EXPECT_EQ(ask(1), nvml::kNotFound);
  EXPECT_EQ(ask(2), nvml::kSuccess);
  EXPECT_EQ(ask(7), nvml::kInvalidArgument);
}

TEST_F(RulesTest, HandlesAreOfOneInstanceAndNotOfItsSuccessor) {
  ASSERT_EQ(Create(k1g, {0, 1}), nvml::kSuccess);
  const uint32_t id = GpuState(h100_).instances[0].id;
  EXPECT_EQ(Raw([&](nvml::Session& session, nvml::Device device) {
              nvml::GpuInstanceHandle handle = nullptr;
              session.Call(&Functions::DeviceGetGpuInstanceById, device, id, &handle);
              ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.instances[0].made += 100; });
              return session.Call(&Functions::GpuInstanceDestroy, handle);
            }),
            nvml::kInvalidArgument);
}

TEST_F(RulesTest, WhatIsNoHandleIsRefused) {
  EXPECT_EQ(Raw([&](nvml::Session& session, nvml::Device) {
              uint32_t minor = 0;
              return session.Call(&Functions::DeviceGetMinorNumber, nvml::Device{nullptr}, &minor);
            }),
            nvml::kInvalidArgument);
}

TEST_F(RulesTest, NothingIsAnsweredBeforeInitialization) {
  EXPECT_EQ(Raw([&](nvml::Session& session, nvml::Device device) {
              session.Call(&Functions::Shutdown);
              uint32_t minor = 0;
              const Return refused = session.Call(&Functions::DeviceGetMinorNumber, device, &minor);
              session.Call(&Functions::Init);
              return refused;
            }),
            nvml::kUninitialized);
}

// Random instances on every board: what the rules allow never overlaps nor exceeds, and what they
// say remains is what can be made, found by trying.
TEST(MigRulesTest, AllowExactlyWhatFits) {
  namespace rules = sim;
  std::mt19937 random(20240607);
  for (const std::string& model : sim::Models()) {
    sim::State state;
    sim::Gpu gpu = sim::MakeGpu(model, "0000:01:00.0", 0).value();
    gpu.mig = true;
    for (int round = 0; round < 2000; ++round) {
      const auto& profile = gpu.profiles[random() % gpu.profiles.size()];
      const Placement place{.start = profile.starts[random() % profile.starts.size()],
                            .size = profile.size};
      uint32_t id = 0;
      if (random() % 2 || gpu.instances.empty()) {
        rules::CreateGpuInstance(state, gpu, profile.id, place, id);
      } else {
        const auto victim = gpu.instances[random() % gpu.instances.size()].id;
        ASSERT_EQ(rules::DestroyGpuInstance(gpu, victim), nvml::kSuccess);
      }
      uint32_t slices = 0, occupied = 0;
      for (const auto& instance : gpu.instances) {
        slices += rules::FindProfile(gpu, instance.profile)->slices;
        const uint32_t bits = ((1U << instance.size) - 1) << instance.start;
        ASSERT_EQ(occupied & bits, 0U) << model;
        occupied |= bits;
      }
      ASSERT_LE(slices, gpu.compute_slices);
      ASSERT_LT(occupied, 1U << gpu.memory_slices);
      sim::Gpu copy = gpu;
      uint32_t made = 0;
      while (rules::CreateGpuInstance(state, copy, profile.id, {}, id) == nvml::kSuccess) ++made;
      ASSERT_EQ(rules::RemainingCapacity(gpu, profile), made) << model << " " << profile.name;
    }
  }
}

}  // namespace
}  // namespace drapci::hal
