// A card that is given in shares, each by a VF.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/driver/world.h"

namespace drapci::driver {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config Shared() {
  Config config;
  AcceleratorRule rule;
  rule.address = hal::PciAddress::Parse("0000:02:00.0");
  rule.policy.shares = true;
  config.accelerators.push_back(rule);
  return config;
}

TEST(Shares, EachGetsAVfOfItsOwnAndTheCardIsAsBeforeWhenAllAreGone) {
  World world(Shared());
  world.Boot();
  const std::string before = world.Hardware();
  const auto a = world.PrepareShare("a", kNic, {});
  const auto b = world.PrepareShare("b", kNic, {{"vfs", 1}});
  ASSERT_TRUE(a) << a.error().what;
  ASSERT_TRUE(b) << b.error().what;
  EXPECT_EQ(a->devices.at(0).part, "vf0");
  EXPECT_EQ(b->devices.at(0).part, "vf1");
  EXPECT_EQ(b->devices.at(0).address, "0000:02:10.2");
  EXPECT_EQ(b->devices.at(0).cdi_ids.at(0), "dra.pci/claim=pci-0000-02-00-0-b-share-of-b");
  EXPECT_THAT(world.Verify(), IsEmpty());
  ASSERT_TRUE(world.Unprepare("a"));
  const auto c = world.PrepareShare("c", kNic, {});
  ASSERT_TRUE(c);
  EXPECT_EQ(c->devices.at(0).part, "vf0");
  ASSERT_TRUE(world.Unprepare("b"));
  ASSERT_TRUE(world.Unprepare("c"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Shares, TheSameClaimKeepsItsVfAlsoAcrossARestart) {
  World world(Shared());
  world.Boot();
  ASSERT_TRUE(world.PrepareShare("a", kNic, {}));
  const auto b = world.PrepareShare("b", kNic, {});
  ASSERT_TRUE(world.Unprepare("a"));
  world.Boot();
  const auto again = world.PrepareShare("b", kNic, {});
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(*again, *b);
  EXPECT_EQ(again->devices.at(0).part, "vf1");
}

TEST(Shares, ThereAreAsManyAsVfs) {
  World world(Shared());
  world.Boot();
  for (const char* uid : {"a", "b", "c", "d"}) ASSERT_TRUE(world.PrepareShare(uid, kNic, {}));
  const auto refused = world.PrepareShare("e", kNic, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_THAT(refused.error().what, HasSubstr("has no share left: all 4 are held"));
}

TEST(Shares, TwoOfOneClaimAreTwoVfs) {
  World world(Shared());
  world.Boot();
  ClaimRequest claim{.uid = "a", .namespace_name = "ns", .name = "a", .alias = {}, .devices = {}};
  for (const char* id : {"one", "two"}) {
    DeviceRequest wish{.request_names = {id}, .pool = "pool", .device = kNic};
    wish.share_id = id;
    claim.devices.push_back(wish);
  }
  const auto prepared = world.Prepare(claim);
  ASSERT_TRUE(prepared) << prepared.error().what;
  EXPECT_EQ(prepared->devices.at(0).part, "vf0");
  EXPECT_EQ(prepared->devices.at(1).part, "vf1");
}

TEST(Shares, AreTheOnlyWayToHaveTheCard) {
  World world(Shared());
  world.Boot();
  EXPECT_THAT(world.Prepare("a", {kNic}).error().what, HasSubstr("it is given in shares only"));
  EXPECT_THAT(world.Prepare("a", {kVf0}).error().what,
              HasSubstr("it stands for a share of pci-0000-02-00-0: claim a share of that"));
  EXPECT_THAT(world.PrepareShare("a", kNvme, {}).error().what, HasSubstr("cannot be shared"));
}

TEST(Shares, HaveASizeThatTheCardAllows) {
  World world(Shared());
  world.Boot();
  EXPECT_THAT(world.PrepareShare("a", kNic, {{"vfs", 2}}).error().what,
              HasSubstr("a share of 2 'vfs' is not possible: from 1 to 1 in steps of 1"));
  EXPECT_THAT(world.PrepareShare("a", kNic, {{"memory", 1}}).error().what,
              HasSubstr("has no capacity 'memory' to share"));
}

// The operator takes the card (1 Gbit/s) for a faster one than it is.
Config Boasting() {
  Config config = Shared();
  config.accelerators[0].policy.bandwidth = 10'000'000'000;
  return config;
}

ClaimRequest TwoGigabit(bool advisory) {
  DeviceRequest wish{.request_names = {"r"}, .pool = "pool", .device = kNic};
  wish.share_id = "s";
  wish.share = {{"bandwidth", 2'000'000'000}};
  wish.network.emplace().advisory_rate = advisory;
  return {.uid = "a", .namespace_name = "ns", .name = "a", .alias = {}, .devices = {wish}};
}

TEST(Shares, WithARateThatTheKernelRefusesAreRefusedForItsReason) {
  World world(Boasting());
  world.Boot();
  const std::string before = world.Hardware();
  const auto refused = world.Prepare(TwoGigabit(false));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("tx rate 2000 Mbit/s of VF 0"));
  EXPECT_THAT(refused.error().what, HasSubstr("EINVAL"));
  EXPECT_THAT(refused.error().what, HasSubstr("above the speed of the link"));
  EXPECT_EQ(world.Hardware(), before);
  EXPECT_FALSE(world.manager->FindClaim("a"));
}

TEST(Shares, WithAnAdvisoryRateDoWithoutItWhereTheKernelRefuses) {
  World world(Boasting());
  world.Boot();
  const std::string before = world.Hardware();
  const auto prepared = world.Prepare(TwoGigabit(true));
  ASSERT_TRUE(prepared) << prepared.error().what;
  EXPECT_THAT(world.Verify(), IsEmpty());
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Shares, AreReleasedAlsoWhileTheCableIsOut) {
  Config config = Shared();
  config.accelerators[0].policy.bandwidth = 1'000'000'000;
  World world(config);
  world.Boot();
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.PrepareShare("a", kNic, {{"bandwidth", 200'000'000}}));
  ASSERT_TRUE(world.machine.kernel.SetCarrier(*hal::PciAddress::Parse("0000:02:00.0"), false));
  const auto done = world.Unprepare("a");
  EXPECT_TRUE(done) << done.error().what;
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Shares, OfACardThatOthersUseAreReleasedWhenTheCableIsBack) {
  Config config = Shared();
  config.accelerators[0].policy.bandwidth = 1'000'000'000;
  World world(config);
  world.Boot();
  ASSERT_TRUE(world.PrepareShare("b", kNic, {{"bandwidth", 100'000'000}}));
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.PrepareShare("a", kNic, {{"bandwidth", 200'000'000}}));
  const auto nic = *hal::PciAddress::Parse("0000:02:00.0");
  ASSERT_TRUE(world.machine.kernel.SetCarrier(nic, false));
  const auto refused = world.Unprepare("a");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("its link is down"));
  ASSERT_TRUE(world.machine.kernel.SetCarrier(nic, true));
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Shares, AreListedWithTheCardAndNotWithItsVfs) {
  World world(Shared());
  world.Boot();
  ASSERT_TRUE(world.PrepareShare("a", kNic, {}));
  const auto snapshot = world.manager->CurrentSnapshot();
  const auto found = snapshot->Find(kNic);
  ASSERT_NE(found.device, nullptr);
  EXPECT_EQ(found.device->shared_by, (std::set<std::string>{"a"}));
  EXPECT_EQ(found.device->part.capacities.at("vfs").value, 4);
  EXPECT_EQ(snapshot->Find(kVf0).device, nullptr);
  EXPECT_EQ(found.accelerator->home_driver, "igb");
}

}  // namespace
}  // namespace drapci::driver
