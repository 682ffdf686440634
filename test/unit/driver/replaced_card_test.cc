// A card is known by what it is, not by its slot alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/driver/world.h"

namespace drapci::driver {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const hal::PciAddress kSlot = *hal::PciAddress::Parse("0000:02:00.0");

void InsertNic(sim::Kernel& kernel, uint64_t serial) {
  sim::FunctionSpec nic = sim::SriovNic("0000:02:00.0", 4);
  nic.serial = serial;
  ASSERT_TRUE(kernel.AddFunction(std::move(nic)));
}

void Swap(World& world, uint64_t serial) {
  ASSERT_TRUE(world.machine.kernel.Unplug(kSlot));
  InsertNic(world.machine.kernel, serial);
}

std::string Held(World& world) {
  const auto snapshot = world.manager->CurrentSnapshot();
  const auto found = snapshot->Find(kVf0);
  return found.device == nullptr ? "not listed" : found.device->unusable;
}

class ReplacedCard : public testing::Test {
 protected:
  World world{{}, [](sim::Kernel& kernel) {
                EXPECT_TRUE(kernel.AddDriver(sim::VfioPci()));
                InsertNic(kernel, 1);
              }};
};

TEST_F(ReplacedCard, IsNamedToTheClaimThatHeldTheOldOneWhenItIsPluggedIn) {
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  Swap(world, 2);
  ASSERT_TRUE(world.manager->Look());
  world.manager->Settle();
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, HasSubstr("another card"));
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, HasSubstr("serial 0000000000000001"));
  EXPECT_THAT(Held(world), HasSubstr("another card"));
  EXPECT_THAT(world.Prepare("a", {kVf0}).error().what, HasSubstr("another card"));
}

TEST_F(ReplacedCard, IsNotSetUpForAClaimOfTheOldOneAfterAReboot) {
  world.Boot("boot-1");
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  Swap(world, 2);
  const std::string fresh = world.Hardware();
  world.Boot("boot-2");
  EXPECT_EQ(world.Hardware(), fresh);
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, HasSubstr("another card"));
}

TEST_F(ReplacedCard, IsLeftAsItIsWhenTheClaimOfTheOldOneIsReleased) {
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  Swap(world, 2);
  // What the claim had asked for, made on the new card by somebody else.
  ASSERT_TRUE(world.sysfs.Write(kSlot.SysfsPath() + "/sriov_numvfs", "4"));
  const std::string theirs = world.Hardware();
  ASSERT_TRUE(world.manager->Look());
  EXPECT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), theirs);
  EXPECT_THAT(world.Verify(), IsEmpty());
}

TEST_F(ReplacedCard, CanBeUsedOnceTheClaimOfTheOldOneIsReleased) {
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  Swap(world, 2);
  ASSERT_TRUE(world.manager->Look());
  EXPECT_EQ(world.Prepare("b", {kVf0}).error().code, Code::kConflict);
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_TRUE(world.Prepare("b", {kVf0}));
  EXPECT_THAT(world.Verify(), IsEmpty());
}

TEST_F(ReplacedCard, IsNoneWhenTheSameCardIsBackAfterAReboot) {
  world.Boot("boot-1");
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  Swap(world, 1);
  world.Boot("boot-2");
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, IsEmpty());
  EXPECT_THAT(world.Verify(), IsEmpty());
}

TEST_F(ReplacedCard, CannotBeToldWhereTheSerialNumberCannotBeRead) {
  EXPECT_TRUE(hal::SameIdentity("8086:10c9 8086:a03c", "8086:10c9 8086:a03c serial 01"));
  EXPECT_TRUE(hal::SameIdentity("", "8086:10c9 8086:a03c"));
  EXPECT_FALSE(hal::SameIdentity("8086:10c9 8086:a03c", "8086:10c9 8086:a03d"));
}

}  // namespace
}  // namespace drapci::driver
