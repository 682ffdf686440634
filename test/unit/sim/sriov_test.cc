// drivers/pci/iov.c: sriov_numvfs_store and what goes with it.
#include <gtest/gtest.h>

#include <cerrno>

#include "test/sim/fake_host.h"

namespace drapci::sim {
namespace {

const std::string kPf = "/sys/bus/pci/devices/0000:02:00.0";
const PciAddress kAddress = PciAddress::Parse("0000:02:00.0").value();

struct Sriov : testing::Test {
  Sriov() { EXPECT_TRUE(machine.kernel.AddFunction(SriovNic("0000:02:00.0"))); }
  int SetVfs(std::string_view value) { return machine.kernel.Write(kPf + "/sriov_numvfs", value); }
  std::string Read(const std::string& path) {
    return machine.sysfs.Read(path).value_or("<unreadable>");
  }
  FakeHost machine;
};

TEST_F(Sriov, MakesAndRemovesFunctions) {
  EXPECT_EQ(SetVfs("2\n"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "2");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn0").value(), "../0000:02:10.0");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn1").value(), "../0000:02:10.2");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/virtfn1/physfn").value(), "../0000:02:00.0");
  EXPECT_EQ(Read(kPf + "/virtfn0/device"), "0x10ca");
  EXPECT_EQ(machine.kernel.State(*PciAddress::Parse("0000:02:10.0"))->driver, "igbvf");
  EXPECT_EQ(SetVfs("0"), 0);
  EXPECT_FALSE(machine.sysfs.Exists(kPf + "/virtfn0"));
  EXPECT_FALSE(machine.sysfs.Exists("/sys/bus/pci/devices/0000:02:10.0"));
}

}  // namespace
}  // namespace drapci::sim
