// drivers/base/bus.c, drivers/base/dd.c, drivers/pci/pci-driver.c: matching, binding, overriding.
#include <gmock/gmock.h>

#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::ElementsAre;

using Binding = Machine;

TEST_F(Binding, BindsAtBootWhatMatches) {
  EXPECT_EQ(Driver("0000:02:00.0"), "igb");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/driver").value(), "../../../../bus/pci/drivers/igb");
  EXPECT_EQ(machine.sysfs.Resolve(kDrivers + "/igb/0000:02:00.0").value(),
            "/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0");
}

TEST_F(Binding, UnbindsOnlyWhatTheDriverOwns) {
  EXPECT_EQ(Write(kDrivers + "/igbvf/unbind", "0000:02:00.0"), ENODEV);
  EXPECT_EQ(Write(kDrivers + "/igb/unbind", "0000:09:00.0"), ENODEV);
  NewEvents();
  EXPECT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0\n"), 0);
  EXPECT_FALSE(Exists(kPf + "/driver"));
  EXPECT_THAT(NewEvents(), ElementsAre("remove net enp2s0f0", "unbind pci 0000:02:00.0"));
}

TEST_F(Binding, BindsByNameOnlyWhatMatches) {
  EXPECT_EQ(Write(kDrivers + "/igbvf/bind", "0000:02:00.0"), ENODEV);
  EXPECT_EQ(Write(kDrivers + "/igb/bind", "0000:02:00.0"), EBUSY);
  EXPECT_EQ(Write(kDrivers + "/igb/bind", "0000:09:00.0"), ENODEV);
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/bind", "0000:02:00.0"), ENODEV) << "override only";
}

TEST_F(Binding, PassesTheProbesErrnoOn) {
  ASSERT_TRUE(kernel.AddDriver({.name = "picky", .ids = {{0x10ee, 0x5000}}, .probe_error = EIO}));
  ASSERT_TRUE(kernel.AddFunction(Plain("0000:05:00.0")));
  EXPECT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:05:00.0"), 0)
      << "a probe's failure is not told";
  EXPECT_EQ(Driver("0000:05:00.0"), "");
  EXPECT_EQ(Write(kDrivers + "/picky/bind", "0000:05:00.0"), EIO);
}

TEST_F(Binding, ProbesOnlyWhatIsThere) {
  EXPECT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:09:00.0"), ENODEV);
  EXPECT_EQ(Write("/sys/bus/pci/drivers_probe", "nonsense"), ENODEV);
}

TEST_F(Binding, OverridesTheDriver) {
  EXPECT_EQ(Read(kPf + "/driver_override"), "(null)");
  EXPECT_EQ(Write(kPf + "/driver_override", "vfio-pci\n"), 0);
  EXPECT_EQ(Read(kPf + "/driver_override"), "vfio-pci");
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  EXPECT_EQ(Read(kPf + "/driver_override"), "vfio-pci") << "unbinding leaves it";
  EXPECT_EQ(Write(kDrivers + "/igb/bind", "0000:02:00.0"), ENODEV)
      << "its own driver no longer matches";
  ASSERT_EQ(Write("/sys/bus/pci/drivers_probe", "0000:02:00.0"), 0);
  EXPECT_EQ(Driver("0000:02:00.0"), "vfio-pci");
}

TEST_F(Binding, ClearsAnOverrideByANewlineAndNotByNothing) {
  ASSERT_EQ(Write(kPf + "/driver_override", "vfio-pci"), 0);
  EXPECT_EQ(Write(kPf + "/driver_override", ""), 0);  // fs/sysfs/file.c: no bytes, no store
  EXPECT_EQ(Read(kPf + "/driver_override"), "vfio-pci");
  EXPECT_EQ(Write(kPf + "/driver_override", "\n"), 0);
  EXPECT_EQ(Read(kPf + "/driver_override"), "(null)");
}

TEST_F(Binding, RefusesAnOverrideOfAPage) {
  EXPECT_EQ(Write(kPf + "/driver_override", std::string(4095, 'x')), EINVAL);
  EXPECT_EQ(Write(kPf + "/driver_override", std::string(4094, 'x')), 0);
}

TEST_F(Binding, AddsIdsAndProbesWhatThenMatches) {
  ASSERT_TRUE(kernel.AddFunction(Plain("0000:05:00.0")));
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/new_id", "10ee"), EINVAL);
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/new_id", "10ee 5000"), 0);
  EXPECT_EQ(Driver("0000:05:00.0"), "vfio-pci");
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/new_id", "10ee 5000"), EEXIST);
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/remove_id", "10ee 5000"), 0);
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/remove_id", "10ee 5000"), ENODEV);
}

TEST_F(Binding, MakesAndRemovesTheDriversDevices) {
  ASSERT_TRUE(kernel.AddFunction(Nvme("0000:05:00.0", 3)));
  EXPECT_TRUE(machine.dev.Stat("/dev/nvme3"));
  EXPECT_EQ(Read("/sys/class/nvme/nvme3/dev"), "2044:3");
  EXPECT_EQ(machine.sysfs.Resolve("/sys/class/nvme/nvme3/device").value(),
            "/sys/devices/pci0000:05/0000:05:00.0");
  ASSERT_EQ(Write(kDrivers + "/nvme/unbind", "0000:05:00.0"), 0);
  EXPECT_FALSE(machine.dev.Stat("/dev/nvme3"));
  EXPECT_FALSE(Exists("/sys/class/nvme/nvme3"));
  EXPECT_FALSE(Exists("/sys/bus/pci/devices/0000:05:00.0/nvme"));
}

TEST_F(Binding, NamesTheDriverInTheUeventFile) {
  EXPECT_EQ(kernel.Read(kPf + "/uevent").value(),
            "DRIVER=igb\nPCI_CLASS=20000\nPCI_ID=8086:10C9\nPCI_SUBSYS_ID=1AF4:1100\n"
            "PCI_SLOT_NAME=0000:02:00.0\n"
            "MODALIAS=pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00\n");
}

TEST_F(Binding, SendsAnEventThatIsAskedFor) {
  std::vector<Uevent> events;
  kernel.OnEvent([&](const Uevent& event) { events.push_back(event); });
  EXPECT_EQ(Write(kPf + "/uevent", "nonsense"), EINVAL);
  EXPECT_EQ(Write(kPf + "/uevent", "change\n"), 0);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].Property("SYNTH_UUID"), "0");
  EXPECT_EQ(events[0].devpath, "/devices/pci0000:00/0000:00:02.0/0000:02:00.0");
}

// --- VFIO: drivers/vfio/{group,vfio_main}.c, drivers/iommu/iommu.c

struct Vfio : Machine {
  int BindToVfio(std::string_view address) {
    std::string dir = "/sys/bus/pci/devices/" + std::string(address);
    if (int error = Write(dir + "/driver_override", "vfio-pci")) return error;
    if (std::string driver = Driver(address); !driver.empty()) {
      if (int error = Write(kDrivers + "/" + driver + "/unbind", address)) return error;
    }
    return Write("/sys/bus/pci/drivers_probe", address);
  }
};

TEST_F(Vfio, HasTheContainerNodeAsSoonAsTheDriverIsThere) {
  auto node = machine.dev.Stat("/dev/vfio/vfio");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->major, 10U);
  EXPECT_EQ(node->minor, 196U);
}

TEST_F(Vfio, MakesGroupAndDeviceBeforeTheBindEvent) {
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  NewEvents();
  ASSERT_EQ(BindToVfio("0000:02:00.0"), 0);
  EXPECT_THAT(NewEvents(),
              ElementsAre("add vfio 10", "add vfio-dev vfio0", "bind pci 0000:02:00.0"));
  EXPECT_TRUE(machine.dev.Stat("/dev/vfio/10"));
  EXPECT_TRUE(Exists("/sys/class/vfio/10"));
  EXPECT_TRUE(Exists(kPf + "/vfio-dev/vfio0"));
  EXPECT_FALSE(Exists(kPf + "/vfio-dev/vfio0/dev")) << "no CONFIG_VFIO_DEVICE_CDEV";
}

TEST_F(Vfio, KeepsTheGroupUntilItsLastDeviceLeaves) {
  for (const char* address : {"0000:05:00.0", "0000:05:00.1"}) {
    FunctionSpec function = Plain(address);
    function.iommu_group = 22;
    ASSERT_TRUE(kernel.AddFunction(function));
    ASSERT_EQ(BindToVfio(address), 0);
  }
  ASSERT_EQ(Write(kDrivers + "/vfio-pci/unbind", "0000:05:00.0"), 0);
  EXPECT_TRUE(machine.dev.Stat("/dev/vfio/22"));
  ASSERT_EQ(Write(kDrivers + "/vfio-pci/unbind", "0000:05:00.1"), 0);
  EXPECT_FALSE(machine.dev.Stat("/dev/vfio/22"));
}

TEST_F(Vfio, RefusesAFunctionWithoutAnIommuGroup) {
  FunctionSpec function = Plain("0000:05:00.0");
  function.iommu_group.reset();
  ASSERT_TRUE(kernel.AddFunction(function));
  ASSERT_EQ(BindToVfio("0000:05:00.0"), 0);
  EXPECT_EQ(Driver("0000:05:00.0"), "");
  EXPECT_EQ(Write(kDrivers + "/vfio-pci/bind", "0000:05:00.0"), EINVAL);
}

TEST_F(Vfio, MakesCharacterDevicesWhereTheKernelHasThem) {
  FakeHost modern(/*vfio_cdev=*/true);
  ASSERT_TRUE(modern.kernel.AddDriver(VfioPci()));
  ASSERT_TRUE(modern.kernel.AddFunction(Plain("0000:05:00.0")));
  const std::string dir = "/sys/bus/pci/devices/0000:05:00.0";
  ASSERT_EQ(modern.kernel.Write(dir + "/driver_override", "vfio-pci"), 0);
  ASSERT_EQ(modern.kernel.Write("/sys/bus/pci/drivers_probe", "0000:05:00.0"), 0);
  EXPECT_TRUE(modern.dev.Stat("/dev/vfio/devices/vfio0"));
  EXPECT_TRUE(modern.dev.Stat("/dev/iommu"));
  EXPECT_TRUE(modern.sysfs.Exists(dir + "/vfio-dev/vfio0/dev"));
}

TEST_F(Vfio, ChangesAGroupsTypeOnlyWhenNothingIsBound) {
  const std::string type = "/sys/kernel/iommu_groups/10/type";
  EXPECT_EQ(Read(type), "DMA-FQ");
  EXPECT_EQ(Write(type, "nonsense"), EINVAL);
  EXPECT_EQ(Write(type, "identity"), EBUSY);
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  EXPECT_EQ(Write(type, "identity\n"), 0);
  EXPECT_EQ(Read(type), "identity");
}

}  // namespace
}  // namespace drapci::sim
