// What every family does for a claim, and what it refuses to do.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EveryFamily : public testing::TestWithParam<FamilyCase> {
 protected:
  const Family& family() const { return *GetParam().family; }
  const FamilyClaim& claim() const { return *GetParam().claim; }

  // A queue of idxd counts who has it open.
  void SetClients(const std::string& node, const std::string& text) {
    const std::string file =
        fmt::format("/sys/bus/dsa/devices/{}/clients", node.substr(node.rfind('/') + 1));
    if (world_.machine.kernel.Read(file)) world_.machine.kernel.SetFile(file, text);
  }

  FamilyWorld world_{GetParam()};
};

TEST_P(EveryFamily, DescribesItsCard) {
  world_.Begin();
  const auto snapshot = world_.manager->CurrentSnapshot();
  for (const Wish& wish : claim().wishes) {
    const auto found = snapshot->Find(wish.device);
    ASSERT_NE(found.device, nullptr) << wish.device;
    EXPECT_EQ(found.device->unusable, "");
    EXPECT_EQ(found.accelerator->description.foreign, "");
    for (const auto& [counter, amount] : found.device->part.consumes) {
      ASSERT_TRUE(found.accelerator->description.counters.contains(counter)) << counter;
      EXPECT_LE(amount, found.accelerator->description.counters.at(counter)) << counter;
    }
  }
  const auto main = snapshot->Find(claim().wishes.front().device);
  EXPECT_EQ(main.accelerator->function.address.ToString(), family().card);
  EXPECT_EQ(main.accelerator->family, family().name);
  Count(family(), "describe");
}

TEST_P(EveryFamily, PlansWithoutTouchingAnything) {
  world_.Begin();
  world_.machine.kernel.ResetWrites();
  const std::string before = world_.State();
  const auto plan = world_.PlanIt();
  ASSERT_TRUE(plan) << plan.error().what;
  EXPECT_THAT(world_.machine.kernel.Writes(), IsEmpty());
  EXPECT_EQ(world_.State(), before);
  Count(family(), "plan");
}

TEST_P(EveryFamily, PreparesAndReleasesAndLeavesTheCardAsItWas) {
  world_.Begin();
  const std::string before = world_.State();
  for (int round = 0; round < 2; ++round) {
    const auto prepared = world_.PrepareIt();
    ASSERT_TRUE(prepared) << prepared.error().what;
    EXPECT_THAT(world_.Verify(), IsEmpty());
    ASSERT_TRUE(world_.Unprepare("a"));
    EXPECT_EQ(world_.State(), before);
    EXPECT_THAT(world_.Verify(), IsEmpty());
  }
  Count(family(), "prepare+release");
}

TEST_P(EveryFamily, TellsTheContainerWhatItGets) {
  world_.Begin();
  const auto prepared = world_.PrepareIt();
  ASSERT_TRUE(prepared) << prepared.error().what;
  std::string specs;
  const std::vector<std::string> files = world_.machine.state.List().value();
  for (const std::string& name : files) {
    if (name.contains("other")) continue;
    specs += world_.machine.state.Read(name).value();
  }
  for (const std::string& expected : claim().in_cdi) EXPECT_THAT(specs, HasSubstr(expected));
  Count(family(), "container");
}

using AMeddledCard = EveryFamily;

TEST_P(AMeddledCard, IsLeftAlone) {
  world_.Begin();
  for (const auto& [path, value] : family().meddling->writes) {
    ASSERT_EQ(world_.machine.kernel.Write(path, value), 0) << path;
  }
  world_.machine.kernel.ResetWrites();
  const std::string before = world_.State();
  const auto refused = world_.PrepareIt();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr(family().meddling->reason));
  EXPECT_THAT(world_.machine.kernel.Writes(), IsEmpty());
  EXPECT_EQ(world_.State(), before);
  Count(family(), "foreign");
}

using AUsedCard = EveryFamily;

TEST_P(AUsedCard, IsRefusedWithItsUserNamed) {
  world_.Begin();
  world_.machine.kernel.SetFile("/proc/4242/comm", "ollama\n");
  world_.machine.kernel.SetLink("/proc/4242/fd/5", family().node);
  const std::string before = world_.State();
  const auto refused = world_.PrepareIt();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("ollama (pid 4242)"));
  EXPECT_EQ(world_.State(), before);
  EXPECT_FALSE(world_.manager->FindClaim("a"));
  Count(family(), "in use");
}

// While a program of the container lives on, or a virtual machine, what it has open stays.
TEST_P(EveryFamily, IsNotTakenAwayFromUnderItsUser) {
  world_.Begin();
  ASSERT_TRUE(world_.PrepareIt());
  const std::vector<std::string> nodes = world_.NodesOfIt();
  // An interface goes home by itself; whoever uses a partition of NVIDIA's, its library knows.
  const bool other_users = world_.gpus && claim().name.contains("Partition");
  if (nodes.empty() || other_users) return;
  world_.machine.kernel.SetFile("/proc/4242/comm", "ollama\n");
  for (size_t i = 0; i < nodes.size(); ++i) {
    world_.machine.kernel.SetLink(fmt::format("/proc/4242/fd/{}", i + 3), nodes[i]);
    SetClients(nodes[i], "1\n");
  }
  world_.machine.kernel.ResetWrites();
  const std::string before = world_.State();
  const auto released = world_.Unprepare("a");
  EXPECT_EQ(world_.State(), before);
  EXPECT_THAT(world_.machine.kernel.Writes(), IsEmpty());
  if (released) return;  // nothing of the card has to change
  EXPECT_THAT(released.error().what, HasSubstr("ollama (pid 4242)"));
  world_.machine.kernel.SetFile("/proc/4242/comm", "systemd-udevd\n");
  for (const std::string& node : nodes) SetClients(node, "0\n");
  EXPECT_TRUE(world_.Unprepare("a"));
  Count(family(), "in use");
}

std::vector<FamilyCase> Only(bool (*wanted)(const FamilyCase& each)) {
  std::vector<FamilyCase> cases = AllCases();
  std::erase_if(cases, [&](const FamilyCase& each) { return !wanted(each); });
  return cases;
}

std::string Name(const testing::TestParamInfo<FamilyCase>& info) { return NameOf(info.param); }

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily, testing::ValuesIn(AllCases()), Name);
INSTANTIATE_TEST_SUITE_P(Families, AMeddledCard, testing::ValuesIn(Only([](const FamilyCase& each) {
                           return each.family->meddling && each.claim->other.empty();
                         })),
                         Name);
INSTANTIATE_TEST_SUITE_P(Families, AUsedCard, testing::ValuesIn(Only([](const FamilyCase& each) {
                           return !each.family->node.empty() &&
                                  each.claim == &each.family->claims.front();
                         })),
                         Name);

}  // namespace
}  // namespace drapci::test
