// The QAT driver's rules, broken on purpose: what it says, and what is left.
#include "test/sim/drivers/qat.h"

#include <gmock/gmock.h>

#include "test/unit/sim/board_machine.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

struct Qat : BoardMachine {
  Qat() : BoardMachine("qat") {}
  int Write(const std::string& file, std::string_view value) {
    return machine->kernel.Write(kPf + "/" + file, value);
  }
  std::string Read(const std::string& file) {
    return machine->sysfs.Read(kPf + "/" + file).value_or("<unreadable>");
  }

  const std::string kPf = "/sys/bus/pci/devices/0000:6b:00.0";
};

TEST_F(Qat, TakesServicesOnlyWhileItIsDown) {
  EXPECT_EQ(Read("qat/state"), "up");
  EXPECT_EQ(Write("qat/cfg_services", "dc"), EINVAL);
  EXPECT_EQ(Write("qat/state", "off"), EINVAL);
  EXPECT_EQ(Write("qat/state", "down\n"), 0);
  EXPECT_EQ(Write("qat/state", "down"), 0);
  EXPECT_EQ(Write("qat/cfg_services", "gzip"), EINVAL);
  EXPECT_EQ(Write("qat/cfg_services", "sym;sym"), EINVAL);
  EXPECT_EQ(Write("qat/cfg_services", "dc\n"), 0);
  EXPECT_EQ(Read("qat/cfg_services"), "dc");
  EXPECT_EQ(Write("qat/state", "up"), 0);
  EXPECT_EQ(Read("qat/num_rps"), "64");
}

TEST_F(Qat, MakesAllVfsWhateverNumberIsAskedFor) {
  EXPECT_EQ(Write("sriov_numvfs", "1"), 0);
  EXPECT_EQ(Read("sriov_numvfs"), "16");
  EXPECT_EQ(Write("sriov_numvfs", "4"), EBUSY);
  EXPECT_EQ(Write("sriov_numvfs", "17"), ERANGE);
  EXPECT_EQ(Write("sriov_numvfs", "0"), 0);
  EXPECT_EQ(Read("sriov_numvfs"), "0");
}

TEST_F(Qat, IsUpWhenItsVfsHaveComeOrGone) {
  ASSERT_EQ(Write("qat/state", "down"), 0);
  ASSERT_EQ(Write("sriov_numvfs", "16"), 0);
  EXPECT_EQ(Read("qat/state"), "up");
  ASSERT_EQ(Write("qat/state", "down"), 0);  // the driver does not look at its VFs
  ASSERT_EQ(Write("sriov_numvfs", "0"), 0);
  EXPECT_EQ(Read("qat/state"), "up");
}

TEST_F(Qat, RefusesEverythingWhileTheKernelUsesIt) {
  Load("qat:in-use=1");
  EXPECT_EQ(Write("qat/state", "down"), EBUSY);
  EXPECT_EQ(Write("qat/state", "rubbish"), EBUSY);
  EXPECT_EQ(Write("sriov_numvfs", "16"), EBUSY);
  EXPECT_EQ(Write("sriov_numvfs", "0"), 0);  // there are none
}

TEST_F(Qat, HasNoVfsWithoutAnIommu) {
  FunctionSpec bare = machine->kernel.Specs().front();
  bare.address = At("0000:71:00.0");
  bare.root_bus = 0x71;
  bare.iommu_group.reset();
  ASSERT_TRUE(machine->kernel.AddFunction(bare));
  EXPECT_EQ(machine->kernel.Write("/sys/bus/pci/devices/0000:71:00.0/sriov_numvfs", "16"), EINVAL);
}

TEST_F(Qat, OfAnOlderKernelHasNoServicesToChoose) {
  Load("qat:sysfs=0");
  EXPECT_FALSE(machine->sysfs.Exists(kPf + "/qat"));
  EXPECT_EQ(Write("sriov_numvfs", "3"), 0);
  EXPECT_EQ(Read("sriov_numvfs"), "16");
}

TEST_F(Qat, StartsAnewWithItsDriver) {
  ASSERT_EQ(Write("qat/state", "down"), 0);
  ASSERT_EQ(Write("qat/cfg_services", "dc"), 0);
  ASSERT_EQ(machine->kernel.Write("/sys/bus/pci/drivers/4xxx/unbind", "0000:6b:00.0"), 0);
  EXPECT_FALSE(machine->sysfs.Exists(kPf + "/qat"));
  ASSERT_EQ(machine->kernel.Write("/sys/bus/pci/drivers/4xxx/bind", "0000:6b:00.0"), 0);
  EXPECT_EQ(Read("qat/state"), "up");
  EXPECT_EQ(Read("qat/cfg_services"), "sym;asym");
}

}  // namespace
}  // namespace drapci::sim
