#include "driver/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/driver/world.h"

namespace drapci::driver {
namespace {

using hal::Access;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Prepare, MakesVfsOnTheFirstClaimAndPutsThemBackAfterTheLast) {
  World world;
  world.Boot();
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  ASSERT_TRUE(world.Prepare("b", {kVf1}, Access::kVfio));
  EXPECT_EQ(world.Driver("0000:02:10.0"), "igbvf");
  EXPECT_EQ(world.Driver("0000:02:10.2"), "vfio-pci");
  EXPECT_THAT(world.Verify(), IsEmpty());
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Driver("0000:02:10.2"), "vfio-pci");  // b keeps its VF
  EXPECT_EQ(world.Driver("0000:02:10.0"), "");
  ASSERT_TRUE(world.Unprepare("b"));
  EXPECT_EQ(world.Hardware(), before);
  EXPECT_EQ(world.journal.size(), 0U);
  EXPECT_THAT(*world.cdi.List(), IsEmpty());
  EXPECT_THAT(world.Verify(), IsEmpty());
}

TEST(Prepare, GivesTheSameAnswerToTheSameClaimWithoutTouchingTheHardware) {
  World world;
  world.Boot();
  const auto first = world.Prepare("a", {kVf0});
  ASSERT_TRUE(first);
  world.machine.kernel.ResetWrites();
  const auto second = world.Prepare("a", {kVf0});
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  EXPECT_THAT(world.machine.kernel.Writes(), IsEmpty());
  EXPECT_EQ(first->devices.at(0).cdi_ids,
            std::vector<std::string>{"dra.pci/claim=pci-0000-02-00-0-vf0-a"});
}

TEST(Prepare, RefusesAHeldUidWithOtherDevices) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  EXPECT_EQ(world.Prepare("a", {kVf1}).error().code, Code::kConflict);
  EXPECT_EQ(world.Prepare("a", {kVf0}, Access::kVfio).error().code, Code::kConflict);
}

TEST(Prepare, RefusesTheWholeCardWhileAVfIsHeldAndTheOtherWayRound) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  const auto whole = world.Prepare("b", {kNic});
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().what, HasSubstr("held by claim a"));
  ASSERT_TRUE(world.Unprepare("a"));
  ASSERT_TRUE(world.Prepare("b", {kNic}, Access::kVfio));
  EXPECT_EQ(world.Driver("0000:02:00.0"), "vfio-pci");
  const auto part = world.Prepare("a", {kVf0});
  ASSERT_FALSE(part);
  EXPECT_THAT(part.error().what, HasSubstr("held by claim b"));
  ASSERT_TRUE(world.Unprepare("b"));
  EXPECT_EQ(world.Driver("0000:02:00.0"), "igb");
}

TEST(Prepare, RewritesADeletedCdiFileAndRepairsALostBinding) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}, Access::kVfio));
  ASSERT_TRUE(world.cdi.Remove("dra.pci-claim-a.json"));
  ASSERT_TRUE(world.sysfs.Write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:02:10.0"));
  EXPECT_EQ(world.Verify().size(), 2U);
  ASSERT_TRUE(world.Prepare("a", {kVf0}, Access::kVfio));
  EXPECT_THAT(world.Verify(), IsEmpty());
  EXPECT_EQ(world.Driver("0000:02:10.0"), "vfio-pci");
}

TEST(Prepare, LeavesVfsAloneThatSomebodyElseHasMade) {
  World world;
  ASSERT_TRUE(world.sysfs.Write("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "2"));
  world.Boot();
  const std::string before = world.Hardware();
  const auto refused = world.Prepare("a", {kVf0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_EQ(world.Hardware(), before);
  EXPECT_FALSE(world.Prepare("a", {kNic}));
}

TEST(Prepare, UsesVfsThatAreHandedOverAndNeverMakesOrDestroysThem) {
  Config config;
  AcceleratorRule rule;
  rule.policy.vfs = hal::AcceleratorPolicy::Vfs::kExisting;
  config.accelerators = {rule};
  World world(config);
  ASSERT_TRUE(world.sysfs.Write("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "2"));
  world.Boot();
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.Prepare("a", {kVf0}, Access::kVfio));
  EXPECT_EQ(world.Prepare("b", {"pci-0000-02-00-0-vf2"}).error().code, Code::kNotFound);
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Prepare, LeavesTheVfsWhenSomebodyElseHasChangedTheirNumberMeanwhile) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  const std::string numvfs = "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs";
  ASSERT_TRUE(world.sysfs.Write(numvfs, "0"));
  ASSERT_TRUE(world.sysfs.Write(numvfs, "3"));
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(*world.sysfs.Read(numvfs), "3");
}

TEST(Prepare, KeepsAFixedNumberOfVfsAcrossClaimsAndRestarts) {
  Config config;
  AcceleratorRule rule;
  rule.policy.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  rule.policy.vf_count = 3;
  config.accelerators = {rule};
  World world(config);
  world.Boot();
  const std::string numvfs = "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs";
  EXPECT_EQ(*world.sysfs.Read(numvfs), "3");
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(*world.sysfs.Read(numvfs), "3");
  EXPECT_FALSE(world.Prepare("b", {kNic}, Access::kVfio));
  EXPECT_FALSE(world.Unprepare("standing-pci-0000-02-00-0"));
  world.Boot();
  EXPECT_EQ(*world.sysfs.Read(numvfs), "3");
  EXPECT_THAT(world.Verify(), IsEmpty());
  world.config.accelerators.clear();
  world.Boot();  // the policy is gone: back to the before-image
  EXPECT_EQ(*world.sysfs.Read(numvfs), "0");
}

TEST(Prepare, KeepsTheVfCountWhileClaimsHoldItThoughThePolicyHasChanged) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  AcceleratorRule rule;
  rule.policy.vf_count = 2;
  world.config.accelerators = {rule};
  world.Boot();
  ASSERT_TRUE(world.Prepare("b", {kVf1}));
  EXPECT_EQ(world.Driver("0000:02:10.0"), "igbvf");
  EXPECT_EQ(*world.sysfs.Read("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs"), "4");
}

TEST(Prepare, RefusesBadInputInOneSentence) {
  World world;
  world.Boot();
  EXPECT_EQ(world.Prepare("../etc", {kVf0}).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("", {kVf0}).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("standing-x", {kVf0}).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("a", {}).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("a", std::vector<std::string>(33, kVf0)).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("a", {kVf0, kVf0}).error().code, Code::kInvalid);
  EXPECT_EQ(world.Prepare("a", {"../../etc/passwd"}).error().code, Code::kNotFound);
  EXPECT_EQ(world.Prepare("a", {"pci-0000-02-00-0-"}).error().code, Code::kNotFound);
  EXPECT_EQ(world.Prepare("a", {"pci-0000-02-00-0-vf99"}).error().code, Code::kNotFound);
  EXPECT_EQ(world.journal.size(), 0U);
}

TEST(Prepare, HoldsDevicesOfTwoCardsOrNone) {
  World world;
  world.Boot();
  const std::string before = world.Hardware();
  world.machine.kernel.faults().FailWrite("*/0000:03:00.0/driver_override", EIO);
  const auto refused = world.Prepare("a", {kVf0, kNvme}, Access::kVfio);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("EIO"));
  EXPECT_EQ(world.Hardware(), before);
  ASSERT_TRUE(world.Prepare("a", {kVf0, kNvme}, Access::kVfio));
  EXPECT_THAT(world.Verify(), IsEmpty());
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Unprepare, OfAnUnknownClaimSucceeds) {
  World world;
  world.Boot();
  EXPECT_TRUE(world.Unprepare("never-seen"));
}

TEST(Unprepare, SucceedsAfterTheCardHasBeenPulledAndTheCardIsUsableWhenItIsBack) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  ASSERT_TRUE(world.machine.kernel.Unplug(*hal::PciAddress::Parse("0000:02:00.0")));
  ASSERT_TRUE(world.manager->Look());
  ASSERT_TRUE(world.Unprepare("never-seen"));
  std::string listed;
  EXPECT_FALSE(world.Verify().empty());
  for (const AcceleratorView& view : world.manager->CurrentSnapshot()->accelerators) {
    if (view.name == kNic && view.gone) listed = view.name;
  }
  EXPECT_EQ(listed, kNic);
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, HasSubstr("has been removed"));
  EXPECT_TRUE(world.Unprepare("a"));
  EXPECT_THAT(world.Verify(), IsEmpty());
  ASSERT_TRUE(world.machine.kernel.Plug(*hal::PciAddress::Parse("0000:02:00.0")));
  ASSERT_TRUE(world.manager->Look());
  world.Boot();
  EXPECT_TRUE(world.Prepare("b", {kVf0}));
}

TEST(Inventory, KeepsListingTheDevicesOfACardThatIsGoneBeforeItsEventHasCome) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  ASSERT_NE(world.manager->CurrentSnapshot()->Find(kVf0).device, nullptr);
  ASSERT_TRUE(world.machine.kernel.Unplug(*hal::PciAddress::Parse("0000:02:00.0")));
  world.manager->MarkStale(kNic);  // an event of its VFs comes before that of the card
  const auto snapshot = world.manager->CurrentSnapshot();
  const auto found = snapshot->Find(kVf0);
  ASSERT_NE(found.device, nullptr);
  EXPECT_EQ(found.device->held_by, "a");
  EXPECT_THAT(found.device->unusable, HasSubstr("has been removed"));
  EXPECT_TRUE(found.accelerator->gone);
  EXPECT_EQ(found.accelerator->description.counters.at("vfs"), 4);
  ASSERT_TRUE(world.manager->Look());
  ASSERT_TRUE(world.Unprepare("a"));
}

TEST(Unprepare, TellsWhatCannotBePutBackAndFinishesWhenItCan) {
  World world;
  world.Boot();
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  world.machine.kernel.faults().FailWrite("*/sriov_numvfs", EBUSY, 1);
  const auto refused = world.Unprepare("a");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("EBUSY"));
  ASSERT_TRUE(world.manager->FindClaim("a"));
  EXPECT_EQ(world.manager->FindClaim("a")->state, ClaimState::kUnpreparing);
  EXPECT_THAT(world.manager->FindClaim("a")->trouble, HasSubstr("EBUSY"));
  EXPECT_EQ(world.Prepare("b", {kVf0}).error().code, Code::kConflict);  // still blocked
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Unprepare, DoesNotTakeACardForGoneThatOnlySaysSo) {
  World world;
  world.Boot();
  const std::string before = world.Hardware();
  ASSERT_TRUE(world.Prepare("a", {kVf0}));
  world.machine.kernel.faults().FailWrite("*/sriov_numvfs", ENODEV, 1);
  const auto refused = world.Unprepare("a");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("ENODEV"));
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Hardware(), before);
}

TEST(Recovery, MakesClaimsAgainAfterTheMachineHasBooted) {
  World world;
  world.Boot("boot-1");
  ASSERT_TRUE(world.Prepare("a", {kVf0}, Access::kVfio));
  // A reboot: the hardware forgets, the CDI directory is empty, the journal stays.
  world.manager.reset();
  ASSERT_TRUE(world.sysfs.Write("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "0"));
  ASSERT_TRUE(world.cdi.Remove("dra.pci-claim-a.json"));
  world.Boot("boot-2");
  EXPECT_THAT(world.Verify(), IsEmpty());
  EXPECT_EQ(world.Driver("0000:02:10.0"), "vfio-pci");
  EXPECT_EQ(world.manager->FindClaim("a")->boot_id, "boot-2");
}

TEST(Recovery, MakesAClaimAgainWhenItsCardComesLateAfterABoot) {
  World world;
  world.Boot("boot-1");
  ASSERT_TRUE(world.Prepare("a", {kNvme}, Access::kVfio));
  const auto card = *hal::PciAddress::Parse("0000:03:00.0");
  ASSERT_TRUE(world.machine.kernel.Unplug(card));
  world.Boot("boot-2");
  EXPECT_FALSE(world.Verify().empty());
  ASSERT_TRUE(world.machine.kernel.Plug(card));
  ASSERT_TRUE(world.manager->Look());
  world.manager->Settle();
  EXPECT_THAT(world.Verify(), IsEmpty());
  EXPECT_EQ(world.Driver("0000:03:00.0"), "vfio-pci");
}

TEST(Recovery, RemovesCdiFilesOfOursThatNoClaimHas) {
  World world;
  ASSERT_TRUE(world.cdi.Replace("dra.pci-claim-ghost.json", "{}"));
  ASSERT_TRUE(world.cdi.Replace("somebody-else.json", "{}"));
  world.Boot();
  EXPECT_THAT(*world.cdi.List(), testing::ElementsAre("somebody-else.json"));
}

TEST(Recovery, ListsAHeldCardThatIsNotThereAnyMore) {
  World world;
  world.Boot();
  ASSERT_TRUE(world.Prepare("a", {kNvme}));
  world.manager.reset();
  ASSERT_TRUE(world.machine.kernel.Unplug(*hal::PciAddress::Parse("0000:03:00.0")));
  world.Boot();
  bool gone = false;
  for (const AcceleratorView& view : world.manager->CurrentSnapshot()->accelerators) {
    gone |= view.name == kNvme && view.gone;
  }
  EXPECT_TRUE(gone);
  const auto found = world.manager->CurrentSnapshot()->Find(kNvme);
  ASSERT_NE(found.device, nullptr);
  EXPECT_EQ(found.device->held_by, "a");
  EXPECT_EQ(found.accelerator->function.address.ToString(), "0000:03:00.0");
  EXPECT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.manager->CurrentSnapshot()->Find(kNvme).device, nullptr);
}

TEST(Prepare, TakesAVfByVfioThoughItsKernelDriverIsLoadedLate) {
  World world;
  world.Boot();
  // The VFs appear without a driver; its module binds them before the claim's own step does.
  ASSERT_TRUE(world.Prepare("b", {kVf1}));
  ASSERT_TRUE(world.sysfs.Write("/sys/bus/pci/drivers_probe", "0000:02:10.0"));
  ASSERT_EQ(world.Driver("0000:02:10.0"), "igbvf");
  ASSERT_TRUE(world.Prepare("a", {kVf0}, Access::kVfio));
  EXPECT_EQ(world.Driver("0000:02:10.0"), "vfio-pci");
  ASSERT_TRUE(world.Unprepare("a"));
  EXPECT_EQ(world.Driver("0000:02:10.0"), "igbvf");  // as it was found
}

}  // namespace
}  // namespace drapci::driver
