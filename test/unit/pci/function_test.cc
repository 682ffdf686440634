#include "hal/pci/function.h"

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;

class FunctionTest : public test::NicMachine {};

PciFunction Unread(const PciAddress& address) {
  PciFunction function;
  function.address = address;
  return function;
}

TEST_F(FunctionTest, FactsComeFromSysfs) {
  PciFunction function = Unread(nic_);
  ASSERT_TRUE(ReadSysfsFacts(machine_.sysfs, function));
  EXPECT_EQ(function.driver, "igb");
  EXPECT_EQ(function.numa_node, -1);
  EXPECT_EQ(function.pcie_root, "pci0000:02");
  EXPECT_EQ(function.sriov_total, 7);
  EXPECT_EQ(function.physfn, std::nullopt);
  EXPECT_TRUE(function.iommu_group.has_value());
}

TEST_F(FunctionTest, AVfKnowsItsPf) {
  MakeVfs(2);
  PciFunction function = Unread(At("0000:02:10.2"));
  ASSERT_TRUE(ReadSysfsFacts(machine_.sysfs, function));
  EXPECT_EQ(function.physfn, nic_);
  EXPECT_EQ(function.sriov_total, std::nullopt);
}

TEST_F(FunctionTest, AFunctionThatIsNotThereIsGone) {
  PciFunction function = Unread(At("0000:7f:00.0"));
  EXPECT_EQ(ReadSysfsFacts(machine_.sysfs, function).error().code, Code::kGone);
}

TEST_F(FunctionTest, FactsDoNotWaitForTheDeviceLock) {
  machine_.kernel.faults().FailRead("*/sriov_numvfs", EIO, sim::Faults::kForever);
  PciFunction function = Unread(nic_);
  EXPECT_TRUE(ReadSysfsFacts(machine_.sysfs, function));
}

TEST_F(FunctionTest, UnboundAndUngroupedFunctionsHaveNeither) {
  sim::FunctionSpec plain = sim::Plain("0000:05:00.0");
  plain.iommu_group.reset();
  plain.numa_node = 1;
  ASSERT_TRUE(machine_.kernel.AddFunction(plain));
  PciFunction function = Unread(At("0000:05:00.0"));
  ASSERT_TRUE(ReadSysfsFacts(machine_.sysfs, function));
  EXPECT_EQ(function.driver, "");
  EXPECT_EQ(function.iommu_group, std::nullopt);
  EXPECT_EQ(function.numa_node, 1);
}

}  // namespace
}  // namespace drapci::hal
