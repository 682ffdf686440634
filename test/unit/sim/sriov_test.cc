// drivers/pci/iov.c: sriov_numvfs_store and what goes with it.
#include <gmock/gmock.h>

#include <future>

#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::ElementsAre;

using Sriov = Machine;

TEST_F(Sriov, MakesAndRemovesFunctions) {
  EXPECT_EQ(SetVfs("2\n"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "2");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn0").value(), "../0000:02:10.0");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn1").value(), "../0000:02:10.2");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn1/physfn").value(), "../0000:02:00.0");
  EXPECT_EQ(Read(kVf + "/device"), "0x10ca");
  EXPECT_EQ(Driver("0000:02:10.0"), "igbvf");
  EXPECT_EQ(SetVfs("0"), 0);
  EXPECT_FALSE(Exists(kPf + "/virtfn0"));
  EXPECT_FALSE(Exists(kVf));
}

TEST_F(Sriov, PrintsTheDeviceIdWithoutPadding) {
  EXPECT_EQ(kernel.Read(kPf + "/sriov_vf_device").value(), "10ca\n");
  FunctionSpec disk = Nvme("0000:05:00.0");
  disk.sriov = SriovSpec{.total = 4, .vf_device = 0x0010, .vf_driver = "nvme"};
  ASSERT_TRUE(kernel.AddFunction(disk));
  EXPECT_EQ(kernel.Read("/sys/bus/pci/devices/0000:05:00.0/sriov_vf_device").value(), "10\n");
}

TEST_F(Sriov, RefusesWhatIsNoSixteenBitNumberWithEinval) {
  for (const char* text : {"x", "-1", "65536", " 2", "2 3", "\n"})
    EXPECT_EQ(SetVfs(text), EINVAL) << text;
}

TEST_F(Sriov, TakesHexadecimalAndOctalAsKstrtou16Does) {
  EXPECT_EQ(SetVfs("0x2"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "2");
  EXPECT_EQ(SetVfs("0"), 0);
  EXPECT_EQ(SetVfs("03"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "3");
}

TEST_F(Sriov, RefusesMoreThanTotalWithErange) { EXPECT_EQ(SetVfs("8"), ERANGE); }

TEST_F(Sriov, RefusesToGoFromOneCountToAnotherWithEbusy) {
  ASSERT_EQ(SetVfs("2"), 0);
  EXPECT_EQ(SetVfs("3"), EBUSY);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "2");
}

TEST_F(Sriov, DoesNothingWhenTheCountIsTheSame) {
  ASSERT_EQ(SetVfs("2"), 0);
  NewEvents();
  EXPECT_EQ(SetVfs("2"), 0);
  EXPECT_THAT(NewEvents(), testing::IsEmpty());
}

TEST_F(Sriov, NeedsADriver) {
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  EXPECT_EQ(SetVfs("2"), ENOENT);
  EXPECT_EQ(SetVfs("0"), 0) << "the same count is fine without a driver";
}

TEST_F(Sriov, NeedsADriverThatCanMakeFunctions) {
  ASSERT_EQ(Write(kPf + "/driver_override", "vfio-pci"), 0);
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  ASSERT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:02:00.0"), 0);
  ASSERT_EQ(Driver("0000:02:00.0"), "vfio-pci");
  EXPECT_EQ(SetVfs("2"), ENOENT);
}

TEST_F(Sriov, TakesTheFunctionsDownWithTheDriver) {
  ASSERT_EQ(SetVfs("2"), 0);
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  EXPECT_FALSE(Exists(kVf));
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "0");
}

TEST_F(Sriov, SendsEventsInTheKernelsOrder) {
  NewEvents();
  ASSERT_EQ(SetVfs("2"), 0);
  EXPECT_THAT(
      NewEvents(),
      ElementsAre("add pci 0000:02:10.0", "change pci 0000:02:10.0", "add net enp2s0f0v0",
                  "bind pci 0000:02:10.0", "add pci 0000:02:10.2", "change pci 0000:02:10.2",
                  "add net enp2s0f0v1", "bind pci 0000:02:10.2", "change pci 0000:02:00.0"));
  ASSERT_EQ(SetVfs("0"), 0);
  EXPECT_THAT(NewEvents(), ElementsAre("remove net enp2s0f0v0", "unbind pci 0000:02:10.0",
                                       "remove pci 0000:02:10.0", "remove net enp2s0f0v1",
                                       "unbind pci 0000:02:10.2", "remove pci 0000:02:10.2"));
}

TEST_F(Sriov, TakesTheKernelsTime) {
  auto start = machine.clock.Now();
  ASSERT_EQ(SetVfs("2"), 0);
  EXPECT_EQ(machine.clock.Now() - start, Milliseconds(100));  // sriov_enable: msleep(100)
  ASSERT_EQ(SetVfs("0"), 0);
  EXPECT_EQ(machine.clock.Now() - start, Milliseconds(1100));  // sriov_disable: ssleep(1)
}

TEST_F(Sriov, LeavesFunctionsAloneWhenAutoprobeIsOff) {
  ASSERT_EQ(Write(kPf + "/sriov_drivers_autoprobe", "0"), 0);
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_EQ(Driver("0000:02:10.0"), "");
  // pci_device_can_probe: success that binds nothing, and ENODEV when asked for by name.
  EXPECT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:02:10.0"), 0);
  EXPECT_EQ(Driver("0000:02:10.0"), "");
  EXPECT_EQ(Write(kDrivers + "/igbvf/bind", "0000:02:10.0"), ENODEV);
  ASSERT_EQ(Write(kVf + "/driver_override", "igbvf"), 0);
  EXPECT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:02:10.0"), 0);
  EXPECT_EQ(Driver("0000:02:10.0"), "igbvf");
}

TEST_F(Sriov, ReadsAutoprobeAsABoolean) {
  EXPECT_EQ(Write(kPf + "/sriov_drivers_autoprobe", "maybe"), EINVAL);
  EXPECT_EQ(Write(kPf + "/sriov_drivers_autoprobe", "off\n"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_drivers_autoprobe"), "0");
}

TEST_F(Sriov, MakesFewerFunctionsAndStillSucceeds) {
  kernel.FewerVfs(At("0000:02:00.0"), 1);
  EXPECT_EQ(SetVfs("3"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "1");
}

TEST_F(Sriov, MakesFunctionsLateWhenTold) {
  kernel.LateVfs(At("0000:02:00.0"), Milliseconds(50));
  EXPECT_EQ(SetVfs("2"), 0);
  EXPECT_FALSE(Exists(kVf));
  EXPECT_TRUE(machine.events.WaitUntil([&] { return Exists(kVf); }, machine.clock.Now()));
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "2");
}

TEST_F(Sriov, BlocksReadersOfTheCountWhileItIsWritten) {
  kernel.faults().Hold("*/sriov_numvfs");
  auto write = std::async(std::launch::async, [&] { return SetVfs("2"); });
  // The write has begun when it is the one that waits; other devices and attributes go on
  // meanwhile.
  while (!kernel.IsLocked(At("0000:02:00.0"))) std::this_thread::yield();
  auto read = std::async(std::launch::async, [&] { return Read(kPf + "/sriov_numvfs"); });
  EXPECT_EQ(Read(kPf + "/sriov_totalvfs"), "7");
  kernel.faults().Release("*/sriov_numvfs");
  EXPECT_EQ(write.get(), 0);
  EXPECT_EQ(read.get(), "2");
}

TEST_F(Sriov, RollsOverToTheNextBus) {
  FunctionSpec nic = SriovNic("0000:05:1f.0", 64);
  ASSERT_TRUE(kernel.AddFunction(nic));
  ASSERT_EQ(Write("/sys/bus/pci/devices/0000:05:1f.0/sriov_numvfs", "1"), 0);
  // 05:1f.0 is routing id 0x5f8; 128 further is 0x678.
  EXPECT_TRUE(Exists("/sys/bus/pci/devices/0000:06:0f.0"));
}

TEST_F(Sriov, GivesEachFunctionAnIommuGroupAndTakesItBack) {
  ASSERT_EQ(SetVfs("2"), 0);
  auto first = kernel.State(At("0000:02:10.0"))->iommu_group.value();
  auto second = kernel.State(At("0000:02:10.2"))->iommu_group.value();
  EXPECT_NE(first, second);
  EXPECT_TRUE(
      Exists("/sys/kernel/iommu_groups/" + std::to_string(first) + "/devices/0000:02:10.0"));
  ASSERT_EQ(SetVfs("0"), 0);
  EXPECT_FALSE(Exists("/sys/kernel/iommu_groups/" + std::to_string(first)));
}

TEST_F(Sriov, ShowsTheCountInConfigurationSpace) {
  auto config = [&] {
    std::string bytes = kernel.Read(kPf + "/config").value();
    return hal::ConfigSpace(std::as_bytes(std::span(bytes)));
  };
  ASSERT_TRUE(config().Sriov());
  EXPECT_EQ(config().Sriov()->total_vfs, 7);
  EXPECT_EQ(config().Sriov()->num_vfs, 0);
  ASSERT_EQ(SetVfs("3"), 0);
  EXPECT_EQ(config().Sriov()->num_vfs, 3);
  EXPECT_EQ(config().Sriov()->first_vf_offset, 128);
  EXPECT_EQ(config().Sriov()->vf_stride, 2);
  EXPECT_EQ(config().Sriov()->vf_device, 0x10ca);
}

TEST_F(Sriov, ShowsNoIdsInAVfsConfigurationSpace) {
  // PCI Express Base Specification 9.3.4.1: vendor and device id of a VF read as ones; sysfs knows
  // better.
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_EQ(kernel.Read(kVf + "/config").value().substr(0, 4), "\xff\xff\xff\xff");
  EXPECT_EQ(Read(kVf + "/vendor"), "0x8086");
}

TEST_F(Sriov, GivesVfsNeitherRemoveNorRescan) {
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_FALSE(Exists(kVf + "/remove"));
  EXPECT_FALSE(Exists(kVf + "/rescan"));
  EXPECT_FALSE(Exists(kVf + "/sriov_numvfs"));
}

TEST_F(Sriov, SetsInterruptsOnlyOnUnboundVfsAndWithTheDriversSupport) {
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_EQ(Write(kVf + "/sriov_vf_msix_count", "-1"), EINVAL);
  EXPECT_EQ(Write(kVf + "/sriov_vf_msix_count", "4"), EOPNOTSUPP);
  FunctionSpec other = SriovNic("0000:05:00.0");
  other.sriov->vf_msix_count = true;
  ASSERT_TRUE(kernel.AddFunction(other));
  ASSERT_EQ(Write("/sys/bus/pci/devices/0000:05:00.0/sriov_numvfs", "1"), 0);
  const std::string vf = "/sys/bus/pci/devices/0000:05:10.0";
  EXPECT_EQ(Write(vf + "/sriov_vf_msix_count", "4"), EBUSY);
  ASSERT_EQ(Write(kDrivers + "/igbvf/unbind", "0000:05:10.0"), 0);
  EXPECT_EQ(Write(vf + "/sriov_vf_msix_count", "4"), 0);
}

TEST_F(Sriov, StartsWithTheFunctionsThatTheBoardSays) {
  FunctionSpec nic = SriovNic("0000:05:00.0");
  nic.sriov->initial = 2;
  ASSERT_TRUE(kernel.AddFunction(nic));
  EXPECT_EQ(Read("/sys/bus/pci/devices/0000:05:00.0/sriov_numvfs"), "2");
  EXPECT_TRUE(Exists("/sys/bus/pci/devices/0000:05:10.2"));
}

}  // namespace
}  // namespace drapci::sim
