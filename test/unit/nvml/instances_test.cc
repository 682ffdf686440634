// Making, finding and destroying instances.
#include <set>

#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InstancesTest : public NvmlTest {
 protected:
  InstancesTest() {
    SwitchMigOn(h100_);
    SwitchMigOn(a100_);
  }
  GpuInstance Make(uint32_t profile, MigPlacement place) {
    auto made = nvml_.CreateGpuInstance(h100_, profile, place);
    EXPECT_TRUE(made) << made.error().what;
    return made.value_or(GpuInstance{});
  }
  ComputeInstance MakeCompute(uint32_t owner, uint32_t profile = 0,
                              std::optional<MigPlacement> place = {}) {
    auto made = nvml_.CreateComputeInstance(h100_, owner, profile, place);
    EXPECT_TRUE(made) << made.error().what;
    return made.value_or(ComputeInstance{});
  }
};

TEST_F(InstancesTest, AreMadeAtEveryPlaceThatIsTold) {
  for (const PciAddress& gpu : {h100_, a100_}) {
    const auto all = nvml_.GpuInstanceProfiles(gpu).value();
    for (const auto& profile : all) {
      for (const MigPlacement& place : profile.placements) {
        const auto made = nvml_.CreateGpuInstance(gpu, profile.id, place);
        ASSERT_TRUE(made) << made.error().what;
        EXPECT_EQ(made->placement, place);
        EXPECT_EQ(made->profile_id, profile.id);
        EXPECT_THAT(nvml_.GpuInstances(gpu).value(), ElementsAre(*made));
        ASSERT_TRUE(nvml_.DestroyGpuInstance(gpu, made->id));
      }
    }
    EXPECT_THAT(nvml_.GpuInstances(gpu).value(), IsEmpty());
  }
}

TEST_F(InstancesTest, AreListedByPlaceWhateverTheirProfileAndOrder) {
  const auto right = Make(k3g, {4, 4});
  const auto middle = Make(k1g, {3, 1});
  const auto left = Make(k2g, {0, 2});
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), ElementsAre(left, middle, right));
}

TEST_F(InstancesTest, GetAnotherIdAndUuidWhenMadeAnewAtTheSamePlace) {
  std::set<uint32_t> ids;
  std::set<std::string> uuids;
  for (int round = 0; round < 3; ++round) {
    const auto made = Make(k1g, {0, 1});
    MakeCompute(made.id);
    const auto device = nvml_.MigDevices(h100_).value().at(0);
    EXPECT_EQ(device.gpu_instance, made.id);
    ids.insert(made.id);
    uuids.insert(device.uuid);
    ASSERT_TRUE(nvml_.DestroyComputeInstance(h100_, made.id, device.compute_instance));
    ASSERT_TRUE(nvml_.DestroyGpuInstance(h100_, made.id));
  }
  EXPECT_THAT(ids, SizeIs(3));
  EXPECT_THAT(uuids, SizeIs(3));
}

TEST_F(InstancesTest, ShareAGpuAsLongAsTheyFit) {
  EXPECT_EQ(nvml_.RemainingGpuInstances(h100_, k1g).value(), 7U);
  Make(k3g, {4, 4});
  EXPECT_EQ(nvml_.RemainingGpuInstances(h100_, k1g).value(), 4U);
  EXPECT_EQ(nvml_.RemainingGpuInstances(h100_, k3g).value(), 1U);
  EXPECT_EQ(nvml_.RemainingGpuInstances(h100_, k7g).value(), 0U);
  Make(k4g, {0, 4});
  EXPECT_EQ(nvml_.RemainingGpuInstances(h100_, k1g).value(), 0U);
}

TEST_F(InstancesTest, ConflictWithWhatLiesThereAlready) {
  Make(k2g, {2, 2});
  const auto refused = nvml_.CreateGpuInstance(h100_, k3g, {0, 4});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().what,
              HasSubstr("0000:18:00.0: making a GPU instance of profile 9 at 0:4: "
                        "NVML_ERROR_INSUFFICIENT_RESOURCES (23)"));
}

TEST_F(InstancesTest, AreNotMadeOutsideOfTheMigMode) {
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.mig = false; });
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k1g, {0, 1}).error().code, Code::kUnsupported);
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), IsEmpty());
}

TEST_F(InstancesTest, AreNotMadeWhereNoPlaceIs) {
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k2g, {1, 2}).error().code, Code::kInvalid);
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k2g, {0, 1}).error().code, Code::kInvalid);
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, 77, {0, 1}).error().code, Code::kInvalid);
}

TEST_F(InstancesTest, AreNotLeftBehindWhenTheyCannotBeDescribed) {
  FailNext("nvmlGpuInstanceGetInfo", 10);
  EXPECT_EQ(nvml_.CreateGpuInstance(h100_, k1g, {0, 1}).error().code, Code::kTimeout);
  EXPECT_THAT(GpuState(h100_).instances, IsEmpty());
  const auto owner = Make(k1g, {0, 1});
  FailNext("nvmlComputeInstanceGetInfo_v2", 10);
  EXPECT_EQ(nvml_.CreateComputeInstance(h100_, owner.id, 0, {}).error().code, Code::kTimeout);
  EXPECT_THAT(GpuState(h100_).instances[0].compute, IsEmpty());
}

TEST_F(InstancesTest, AreDestroyedFromTheInside) {
  const auto owner = Make(k2g, {0, 2});
  const auto compute = MakeCompute(owner.id, 1);
  const auto busy = nvml_.DestroyGpuInstance(h100_, owner.id);
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, Code::kBusy);
  EXPECT_TRUE(nvml_.DestroyComputeInstance(h100_, owner.id, compute.id));
  EXPECT_TRUE(nvml_.DestroyGpuInstance(h100_, owner.id));
}

TEST_F(InstancesTest, AreNotDestroyedUnderAProcess) {
  const auto owner = Make(k1g, {0, 1});
  const auto compute = MakeCompute(owner.id);
  ChangeGpu(h100_, [&](sim::Gpu& gpu) {
    gpu.processes.push_back({.pid = 8, .gpu_instance = owner.id, .compute_instance = compute.id});
  });
  EXPECT_EQ(nvml_.DestroyComputeInstance(h100_, owner.id, compute.id).error().code, Code::kBusy);
  ChangeGpu(h100_, [](sim::Gpu& gpu) { gpu.processes.clear(); });
  EXPECT_TRUE(nvml_.DestroyComputeInstance(h100_, owner.id, compute.id));
}

TEST_F(InstancesTest, AreNotFoundOnceDestroyed) {
  const auto owner = Make(k1g, {0, 1});
  EXPECT_EQ(nvml_.DestroyComputeInstance(h100_, owner.id, 5).error().code, Code::kNotFound);
  ASSERT_TRUE(nvml_.DestroyGpuInstance(h100_, owner.id));
  EXPECT_EQ(nvml_.DestroyGpuInstance(h100_, owner.id).error().code, Code::kNotFound);
  EXPECT_EQ(nvml_.ComputeInstances(h100_, owner.id).error().code, Code::kNotFound);
}

TEST_F(InstancesTest, OfComputeLieInTheirGpuInstance) {
  const auto owner = Make(k3g, {4, 4});
  const auto left = MakeCompute(owner.id, 1, MigPlacement{0, 2});
  const auto right = MakeCompute(owner.id, 0, MigPlacement{2, 1});
  EXPECT_THAT(nvml_.ComputeInstances(h100_, owner.id).value(), ElementsAre(left, right));
  EXPECT_EQ(nvml_.CreateComputeInstance(h100_, owner.id, 0, MigPlacement{1, 1}).error().code,
            Code::kConflict);
  EXPECT_EQ(nvml_.CreateComputeInstance(h100_, owner.id, 2, {}).error().code, Code::kConflict);
  EXPECT_EQ(nvml_.CreateComputeInstance(h100_, owner.id, 0, MigPlacement{3, 1}).error().code,
            Code::kInvalid);
}

TEST_F(InstancesTest, ArePlacedByTheDriverWhereNobodySays) {
  const auto owner = Make(k2g, {0, 2});
  EXPECT_EQ(MakeCompute(owner.id).placement, (MigPlacement{0, 1}));
  EXPECT_EQ(MakeCompute(owner.id).placement, (MigPlacement{1, 1}));
}

TEST_F(InstancesTest, AreSeenByProgramsAsMigDevicesWhoseIndexesHaveHoles) {
  std::vector<GpuInstance> made;
  for (uint32_t start = 0; start < 4; ++start) {
    made.push_back(Make(k1g, {start, 1}));
    MakeCompute(made.back().id);
  }
  const auto before = nvml_.MigDevices(h100_).value();
  ASSERT_THAT(before, SizeIs(4));
  for (const auto& device : {before[0], before[2]}) {
    ASSERT_TRUE(nvml_.DestroyComputeInstance(h100_, device.gpu_instance, device.compute_instance));
    ASSERT_TRUE(nvml_.DestroyGpuInstance(h100_, device.gpu_instance));
  }
  EXPECT_THAT(nvml_.MigDevices(h100_).value(), ElementsAre(before[1], before[3]));
}

TEST_F(InstancesTest, WithoutComputeAreSeenByNobody) {
  Make(k1g, {0, 1});
  EXPECT_THAT(nvml_.MigDevices(h100_).value(), IsEmpty());
}

TEST_F(InstancesTest, AreLeftOutOfAListWhenSomebodyDestroysThemMeanwhile) {
  const auto gone = Make(k1g, {0, 1});
  const auto kept = Make(k1g, {1, 1});
  MakeCompute(gone.id);
  MakeCompute(kept.id);
  FailNext("nvmlGpuInstanceGetInfo", 2);
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), ElementsAre(kept));
  FailNext("nvmlDeviceGetUUID", 2);
  EXPECT_THAT(nvml_.MigDevices(h100_).value(), SizeIs(1));
  FailNext("nvmlComputeInstanceGetInfo_v2", 6);
  EXPECT_THAT(nvml_.ComputeInstances(h100_, kept.id).value(), IsEmpty());
}

TEST_F(InstancesTest, AreListedOrRefusedAsAWhole) {
  Make(k1g, {0, 1});
  FailNext("nvmlDeviceGetGpuInstances", 10);
  EXPECT_EQ(nvml_.GpuInstances(h100_).error().code, Code::kTimeout);
  FailNext("nvmlDeviceGetMigDeviceHandleByIndex", 10);
  EXPECT_EQ(nvml_.MigDevices(h100_).error().code, Code::kTimeout);
}

TEST_F(InstancesTest, AreMadeBySomebodyElseAsWell) {
  SystemNvml other(kStandIn);
  const auto made = other.CreateGpuInstance(h100_, k1g, {6, 1}).value();
  EXPECT_THAT(nvml_.GpuInstances(h100_).value(), ElementsAre(made));
}

}  // namespace
}  // namespace drapci::hal
