// drivers/pci/{remove,probe}.c, drivers/pci/hotplug: functions going and coming back.
#include <gmock/gmock.h>

#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::ElementsAre;

using Hotplug = Machine;

TEST_F(Hotplug, SendsEventsInTheKernelsOrder) {
  NewEvents();
  ASSERT_TRUE(kernel.Unplug(At("0000:02:00.0")));
  EXPECT_THAT(NewEvents(), ElementsAre("remove net enp2s0f0", "unbind pci 0000:02:00.0",
                                       "remove pci 0000:02:00.0"));
  ASSERT_TRUE(kernel.Plug(At("0000:02:00.0")));
  EXPECT_THAT(NewEvents(),
              ElementsAre("add pci 0000:02:00.0", "add net enp2s0f0", "bind pci 0000:02:00.0"));
}

TEST_F(Hotplug, TakesVirtualFunctionsAlong) {
  ASSERT_EQ(SetVfs("3"), 0);
  ASSERT_TRUE(kernel.Unplug(At("0000:02:00.0")));
  EXPECT_THAT(kernel.Functions(), ElementsAre(At("0000:00:02.0")));
  ASSERT_TRUE(kernel.Plug(At("0000:02:00.0")));
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "0");
}

TEST_F(Hotplug, TakesAlongAndBringsBackWhatIsBelowABridge) {
  ASSERT_TRUE(kernel.Unplug(At("0000:00:02.0")));
  EXPECT_THAT(kernel.Functions(), testing::IsEmpty());
  EXPECT_EQ(Write("/sys/bus/pci/rescan", "1"), 0);
  EXPECT_THAT(kernel.Functions(), testing::IsEmpty()) << "a rescan finds nothing that was pulled";
  ASSERT_TRUE(kernel.Plug(At("0000:00:02.0")));
  EXPECT_EQ(Driver("0000:02:00.0"), "igb");
}

TEST_F(Hotplug, RemovesByWriteAndFindsAgainByRescan) {
  EXPECT_EQ(Write(kPf + "/remove", "0"), 0);
  EXPECT_TRUE(Exists(kPf));
  EXPECT_EQ(Write(kPf + "/remove", "1"), 0);
  EXPECT_FALSE(Exists(kPf));
  EXPECT_FALSE(Exists("/sys/kernel/iommu_groups/10"));
  EXPECT_EQ(Write("/sys/bus/pci/rescan", "1"), 0);
  EXPECT_EQ(Driver("0000:02:00.0"), "igb");
}

TEST_F(Hotplug, SwitchesASlot) {
  const std::string slot = "/sys/bus/pci/slots/1";
  EXPECT_EQ(Read(slot + "/address"), "0000:02:00");
  EXPECT_EQ(Read(slot + "/adapter"), "1");
  EXPECT_EQ(Write(slot + "/power", "1"), ENODEV) << "it is on";
  EXPECT_EQ(Write(slot + "/power", "2"), EINVAL);
  EXPECT_EQ(Write(slot + "/power", "0"), 0);
  EXPECT_FALSE(Exists(kPf));
  EXPECT_EQ(Read(slot + "/power"), "0");
  EXPECT_EQ(Write(slot + "/power", "0"), ENODEV);
  EXPECT_EQ(Write(slot + "/power", "1"), 0);
  EXPECT_TRUE(Exists(kPf));
  ASSERT_TRUE(kernel.Unplug(At("0000:02:00.0")));
  EXPECT_EQ(Read(slot + "/adapter"), "0");
  EXPECT_EQ(Write(slot + "/power", "1"), ENODEV) << "it is empty";
}

TEST_F(Hotplug, RefusesWhatCannotBe) {
  EXPECT_EQ(kernel.AddFunction(Plain("0000:02:00.0")).error().code, Code::kConflict);
  FunctionSpec orphan = Plain("0000:05:00.0");
  orphan.parent = At("0000:00:1f.0");
  EXPECT_EQ(kernel.AddFunction(orphan).error().code, Code::kInvalid);
  EXPECT_EQ(kernel.Unplug(At("0000:09:00.0")).error().code, Code::kNotFound);
  EXPECT_EQ(kernel.Plug(At("0000:02:00.0")).error().code, Code::kNotFound);
}

TEST_F(Hotplug, LetsListenersReadTheModel) {
  std::vector<std::string> drivers;
  kernel.OnEvent([&](const Uevent& event) {
    if (event.action == "bind") drivers.push_back(Driver("0000:02:00.0"));
  });
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  ASSERT_EQ(Write(kDrivers + "/igb/bind", "0000:02:00.0"), 0);
  EXPECT_THAT(drivers, ElementsAre("igb"));
}

}  // namespace
}  // namespace drapci::sim
