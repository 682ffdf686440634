#include "hal/pci/vfio.h"

#include <gmock/gmock.h>

#include "hal/pci/driver_binding.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::ElementsAre;
using testing::IsEmpty;

class Vfio : public test::NicMachine {
 protected:
  void AddPlain(std::string_view address, std::optional<int> group, std::string driver = "") {
    sim::FunctionSpec spec = sim::Plain(address);
    spec.iommu_group = group;
    spec.driver = std::move(driver);
    ASSERT_TRUE(machine_.kernel.AddFunction(spec));
  }
  Result<> Bind(std::string_view address) {
    return ApplyBinding(host_, At(address), {.driver = "vfio-pci", .driver_override = "vfio-pci"},
                        Deadline());
  }
};

TEST_F(Vfio, WithoutIommuGroupThereIsNoVfio) {
  AddPlain("0000:05:00.0", std::nullopt);
  const Error error = CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_TRUE(error.what.contains("no IOMMU group")) << error.what;
  EXPECT_EQ(CheckVfioGroup(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
}

TEST_F(Vfio, AFunctionAloneInItsGroupIsFine) {
  AddPlain("0000:05:00.0", 40, "xdma");
  EXPECT_THAT(IommuPeers(machine_.sysfs, At("0000:05:00.0")).value(), IsEmpty());
  EXPECT_TRUE(CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")));
}

TEST_F(Vfio, APeerInUseRefusesTheGroup) {
  AddPlain("0000:05:00.0", 40);
  AddPlain("0000:05:00.1", 40, "xdma");
  EXPECT_THAT(IommuPeers(machine_.sysfs, At("0000:05:00.0")).value(),
              ElementsAre(At("0000:05:00.1")));
  const Error error = CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")).error();
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_TRUE(error.what.contains("0000:05:00.1") && error.what.contains("xdma")) << error.what;
}

TEST_F(Vfio, APeerThatAnotherProcessHasByVfioRefusesTheGroupToo) {
  AddPlain("0000:05:00.0", 40);
  AddPlain("0000:05:00.1", 40);
  EXPECT_TRUE(CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")));
  ASSERT_TRUE(Bind("0000:05:00.1"));
  EXPECT_EQ(CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")).error().code, Code::kConflict);
}

TEST_F(Vfio, BridgesInTheGroupDoNotCount) {
  AddPlain("0000:05:00.0", 40);
  sim::FunctionSpec bridge = sim::Plain("0000:06:00.0");
  bridge.class_code = 0x060400;
  bridge.iommu_group = 40;
  bridge.driver = "pcieport";
  ASSERT_TRUE(machine_.kernel.AddFunction(bridge));
  EXPECT_TRUE(CheckVfioGroup(machine_.sysfs, At("0000:05:00.0")));
}

TEST_F(Vfio, NodesAreContainerAndGroup) {
  AddPlain("0000:05:00.0", 40);
  ASSERT_TRUE(Bind("0000:05:00.0"));
  EXPECT_THAT(VfioNodes(host_, At("0000:05:00.0"), Deadline()).value(),
              ElementsAre("/dev/vfio/vfio", "/dev/vfio/40"));
}

TEST_F(Vfio, NodesThatNeverComeAreATimeout) {
  AddPlain("0000:05:00.0", 40);
  const Error error = VfioNodes(host_, At("0000:05:00.0"), Deadline()).error();
  EXPECT_EQ(error.code, Code::kTimeout);
  EXPECT_TRUE(error.what.contains("/dev/vfio/40")) << error.what;
}

TEST(VfioCharacterDevices, ArePreferredWhereTheKernelHasThem) {
  sim::FakeHost machine(/*vfio_cdev=*/true);
  ASSERT_TRUE(machine.kernel.AddDriver(sim::VfioPci()));
  ASSERT_TRUE(machine.kernel.AddFunction(sim::Plain("0000:05:00.0")));
  const auto deadline = machine.clock.Now() + std::chrono::seconds(1);
  ASSERT_TRUE(ApplyBinding(machine.host, At("0000:05:00.0"),
                           {.driver = "vfio-pci", .driver_override = "vfio-pci"}, deadline));
  EXPECT_THAT(VfioNodes(machine.host, At("0000:05:00.0"), deadline).value(),
              ElementsAre("/dev/vfio/devices/vfio0", "/dev/iommu"));
}

}  // namespace
}  // namespace drapci::hal
