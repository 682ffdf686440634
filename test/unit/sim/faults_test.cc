#include "test/sim/kernel/faults.h"

#include <gmock/gmock.h>

#include <future>

#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::ElementsAre;

struct InjectedFaults : Machine {
  Faults& faults = kernel.faults();
};

TEST_F(InjectedFaults, RefuseWritesBeforeTheyHaveAnEffect) {
  faults.FailWrite("*/sriov_numvfs", EIO, 2);
  EXPECT_EQ(SetVfs("2"), EIO);
  EXPECT_EQ(SetVfs("2"), EIO);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "0");
  EXPECT_EQ(SetVfs("2"), 0);
}

TEST_F(InjectedFaults, MatchThePathAsNamedAndAsResolved) {
  faults.FailWrite("/sys/devices/*/0000:02:00.0/driver_override", EIO);
  EXPECT_EQ(Write(kPf + "/driver_override", "x"), EIO);
  faults.FailWrite("/sys/bus/pci/devices/0000:02:00.0/driver_override", EIO);
  EXPECT_EQ(Write(kPf + "/driver_override", "x"), EIO);
}

TEST_F(InjectedFaults, RefuseReads) {
  faults.FailRead("*/vendor", EIO);
  EXPECT_EQ(ReadError(kPf + "/vendor"), EIO);
  EXPECT_EQ(ReadError(kPf + "/vendor"), 0);
}

TEST_F(InjectedFaults, CutThePowerAfterSomeWrites) {
  faults.FailWritesAfter(1, EIO);
  EXPECT_EQ(Write(kPf + "/driver_override", "a"), 0);
  EXPECT_EQ(Write(kPf + "/driver_override", "b"), EIO);
  EXPECT_EQ(Write(kPf + "/driver_override", "b"), EIO);
  faults.Clear();
  EXPECT_EQ(Write(kPf + "/driver_override", "b"), 0);
}

TEST_F(InjectedFaults, DelayWrites) {
  faults.DelayWrite("*/driver_override", Milliseconds(70));
  auto start = machine.clock.Now();
  EXPECT_EQ(Write(kPf + "/driver_override", "a"), 0);
  EXPECT_EQ(machine.clock.Now() - start, Milliseconds(70));
}

TEST_F(InjectedFaults, HoldWritesUntilReleasedAndNothingElse) {
  faults.Hold("*/0000:02:00.0/driver_override");
  auto held = std::async(std::launch::async, [&] { return Write(kPf + "/driver_override", "a"); });
  EXPECT_EQ(Write("/sys/bus/pci/devices/0000:00:02.0/driver_override", "b"), 0);
  EXPECT_EQ(Read(kPf + "/driver_override"), "(null)");
  faults.Release("*/0000:02:00.0/driver_override");
  EXPECT_EQ(held.get(), 0);
  EXPECT_EQ(Read(kPf + "/driver_override"), "a");
}

TEST_F(InjectedFaults, LogEveryWriteWithItsResult) {
  kernel.ResetWrites();
  SetVfs("9");
  SetVfs("1\n");
  Write(kPf + "/vendor", "1");
  EXPECT_THAT(kernel.Writes(), ElementsAre(WriteRecord{kPf + "/sriov_numvfs", "9", ERANGE},
                                           WriteRecord{kPf + "/sriov_numvfs", "1\n", 0},
                                           WriteRecord{kPf + "/vendor", "1", EACCES}));
  EXPECT_EQ(faults.accepted(), 1);
}

// --- the fakes around the kernel

TEST_F(InjectedFaults, AFakeStateDirectoryChangesNothingWhenItFails) {
  FakeStateDir dir;
  ASSERT_TRUE(dir.Replace("a", "1"));
  dir.FailChanges(ENOSPC, 1);
  EXPECT_EQ(dir.Replace("a", "2").error().sys, ENOSPC);
  EXPECT_EQ(dir.Read("a").value(), "1");
  EXPECT_TRUE(dir.Replace("a", "2"));
  EXPECT_EQ(dir.changes(), 2);
  EXPECT_EQ(dir.Replace("../a", "2").error().code, Code::kInvalid);
  EXPECT_TRUE(dir.Remove("nothing"));
  EXPECT_THAT(dir.List().value(), ElementsAre("a"));
}

TEST_F(InjectedFaults, WaitingEndsAtOnceWhenNothingCanHappenAnyMore) {
  auto deadline = machine.clock.Now() + std::chrono::seconds(5);
  EXPECT_FALSE(machine.events.WaitUntil([] { return false; }, deadline));
  EXPECT_EQ(machine.clock.Now(), deadline);
}

TEST_F(InjectedFaults, DefaultRoutesAreReadAsFromTheKernel) {
  machine.netlink.SetDefaultRouteInterfaces({2, 5});
  EXPECT_THAT(hal::DefaultRouteInterfaces(machine.netlink).value(), ElementsAre(2, 5));
}

TEST_F(InjectedFaults, TheScannerSeesWhatIsThere) {
  ASSERT_EQ(SetVfs("1"), 0);
  auto functions = machine.scanner.Scan();
  ASSERT_TRUE(functions) << functions.error().what;
  ASSERT_EQ(functions->size(), 3U);
  const hal::PciFunction& nic = (*functions)[1];
  EXPECT_EQ(nic.vendor, 0x8086);
  EXPECT_EQ(nic.driver, "igb");
  EXPECT_EQ(nic.sriov_total, 7);
  EXPECT_EQ(nic.pcie_root, "pci0000:00");
  EXPECT_EQ(nic.iommu_group, 10);
  EXPECT_TRUE(nic.has_aer);
  EXPECT_EQ((*functions)[2].physfn, At("0000:02:00.0"));
}

}  // namespace
}  // namespace drapci::sim
