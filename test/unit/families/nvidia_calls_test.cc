// What changes an NVIDIA GPU is a call of the library and no write: each of them refused, and what
// becomes of claims when instances are made by others or vanish.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGpu[] = "0000:1b:00.0";

std::vector<FamilyCase> Partitions() {
  std::vector<FamilyCase> cases = AllCases();
  std::erase_if(cases, [](const FamilyCase& each) {
    return each.family->name != "nvidia" || !each.claim->name.contains("Partition");
  });
  return cases;
}

class NvidiaCalls : public testing::TestWithParam<FamilyCase> {};

TEST_P(NvidiaCalls, ARefusedCallUndoesThePrepare) {
  int first = 0, last = 0;
  {
    FamilyWorld world(GetParam());
    world.Begin();
    first = world.gpu_calls;
    ASSERT_TRUE(world.PrepareIt());
    last = world.gpu_calls;
  }
  ASSERT_GE(last - first, 2);
  for (int call = first; call < last; ++call) {
    SCOPED_TRACE(call);
    FamilyWorld world(GetParam());
    world.Begin();
    const std::string undone = world.State();
    world.refused_gpu_call = call;
    const auto refused = world.PrepareIt();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().what, HasSubstr("the GPU refuses this call"));
    EXPECT_EQ(world.State(), undone);
    EXPECT_FALSE(world.manager->FindClaim("a"));
    EXPECT_THAT(world.Verify(), IsEmpty());
    EXPECT_TRUE(world.PrepareIt());
    Count(*GetParam().family, "refused writes");
  }
}

TEST_P(NvidiaCalls, ARefusedCallOfAnUnprepareIsReportedAndDoneByTheNextOne) {
  int calls = 1;
  for (int call = 0; call < calls; ++call) {
    SCOPED_TRACE(call);
    FamilyWorld world(GetParam());
    world.Begin();
    const std::string undone = world.State();
    ASSERT_TRUE(world.PrepareIt());
    const int start = world.gpu_calls;
    world.refused_gpu_call = start + call;
    const auto refused = world.Unprepare("a");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().what, HasSubstr("the GPU refuses this call"));
    EXPECT_TRUE(world.manager->FindClaim("a")) << "what is not undone stays known";
    ASSERT_TRUE(world.Unprepare("a"));
    calls = world.gpu_calls - start - 1;
    EXPECT_EQ(world.State(), undone);
    EXPECT_THAT(world.Verify(), IsEmpty());
    Count(*GetParam().family, "refused writes");
  }
  EXPECT_GE(calls, 2);
}

// Instances do not outlive the machine; what is made again has other ids and UUIDs.
TEST_P(NvidiaCalls, AfterARebootInstancesAreMadeAgainAndTheContainerIsToldTheirNewNames) {
  FamilyWorld world(GetParam());
  world.Begin();
  const std::string undone = world.State();
  ASSERT_TRUE(world.PrepareIt());
  const std::string done = world.State();
  const auto specs = [&] {
    std::string text;
    const std::vector<std::string> names = world.machine.state.List().value();
    for (const std::string& name : names) text += world.machine.state.Read(name).value();
    return text;
  };
  const std::string before = specs();
  world.manager.reset();
  world.gpus->Change([](sim::nvml::State& state) { sim::nvml::ReloadDriver(state); });
  world.Boot("boot-2");
  EXPECT_EQ(world.State(), done);
  EXPECT_THAT(world.Verify(), IsEmpty());
  EXPECT_NE(specs(), before);
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.State(), undone);
}

TEST(NvidiaCards, AnInstanceOfSomebodyElseIsNotTouched) {
  FamilyWorld world(Partitions().front());
  const auto gpu = hal::PciAddress::Parse(kGpu).value();
  ASSERT_TRUE(world.gpus->SetMigMode(gpu, true));
  ASSERT_TRUE(world.gpus->CreateGpuInstance(gpu, 0, {.start = 0, .size = 8}));
  world.Begin();
  const std::string before = world.State();
  const auto refused = world.PrepareIt();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("somebody else has made a GPU instance 7g.80gb"));
  EXPECT_EQ(world.State(), before);
  Count(*Partitions().front().family, "foreign");
}

// Somebody cuts the same GPU up while a claim holds a part of it: theirs stays, and so does the
// mode that it needs.
TEST(NvidiaCards, TheModeStaysForAnInstanceThatCameMeanwhile) {
  FamilyWorld world(Partitions().front());
  world.Begin();
  ASSERT_TRUE(world.PrepareIt());
  const auto gpu = hal::PciAddress::Parse(kGpu).value();
  ASSERT_TRUE(world.gpus->CreateGpuInstance(gpu, 19, {.start = 6, .size = 1}));
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_THAT(world.gpus->Dump(), HasSubstr("0000:1b:00.0 mig true"));
  EXPECT_THAT(world.gpus->Dump(), HasSubstr("0000:1b:00.0 06:1 profile 19\n"));
}

INSTANTIATE_TEST_SUITE_P(Families, NvidiaCalls, testing::ValuesIn(Partitions()),
                         [](const auto& instance) { return NameOf(instance.param); });

}  // namespace
}  // namespace drapci::test
