#include "hal/pci/host_use.h"

#include <gmock/gmock.h>

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HostUse : public test::NicMachine {
 protected:
  void SetUp() override {
    ASSERT_TRUE(machine_.kernel.AddFunction(sim::Nvme("0000:05:00.0")));
    machine_.kernel.SetFile("/proc/self/mountinfo", "22 1 0:20 / /sys rw - sysfs sysfs rw\n");
    machine_.kernel.SetFile("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
  }

  std::map<PciAddress, std::string> InUse() {
    return FunctionsInHostUse(host_, machine_.scanner.Scan().value()).value();
  }
  std::string Reason(std::string_view address) {
    const auto reasons = InUse();
    const auto found = reasons.find(At(address));
    return found == reasons.end() ? "" : found->second;
  }
  int IndexOf(const std::string& interface) {
    return std::stoi(machine_.sysfs.Read("/sys/class/net/" + interface + "/ifindex").value());
  }
  // An interface without hardware, as bonds and bridges are.
  void AddVirtual(const std::string& name, int index) {
    machine_.kernel.SetFile("/sys/devices/virtual/net/" + name + "/ifindex",
                            std::to_string(index) + "\n");
    machine_.kernel.SetLink("/sys/class/net/" + name, "/sys/devices/virtual/net/" + name);
  }
  void SetLower(const std::string& upper, const std::string& lower) {
    machine_.kernel.SetLink("/sys/devices/virtual/net/" + upper + "/lower_" + lower,
                            "/sys/class/net/" + lower);
  }
  // The disk's namespace as block device 259:0.
  void AddBlock(const std::string& name, const std::string& number) {
    const std::string dir = State("0000:05:00.0").sysfs_path + "/nvme/nvme0/" + name;
    machine_.kernel.SetFile(dir + "/dev", number + "\n");
    machine_.kernel.SetLink("/sys/dev/block/" + number, dir);
    machine_.kernel.SetLink("/sys/class/block/" + name.substr(name.rfind('/') + 1), dir);
  }
  void AddMapper(const std::string& name, const std::string& number, const std::string& slave) {
    const std::string dir = "/sys/devices/virtual/block/" + name;
    machine_.kernel.SetFile(dir + "/dev", number + "\n");
    machine_.kernel.SetLink("/sys/dev/block/" + number, dir);
    machine_.kernel.SetLink(dir + "/slaves/" + slave, "/sys/class/block/" + slave);
  }
};

TEST_F(HostUse, NothingIsInUseOnAnIdleMachine) { EXPECT_THAT(InUse(), IsEmpty()); }

TEST_F(HostUse, TheDefaultRouteKeepsItsNic) {
  machine_.netlink.SetDefaultRouteInterfaces({IndexOf("enp2s0f0")});
  EXPECT_THAT(Reason("0000:02:00.0"), HasSubstr("default route (enp2s0f0)"));
  EXPECT_EQ(Reason("0000:05:00.0"), "");
}

TEST_F(HostUse, TheDefaultRouteIsFollowedThroughVlanAndBond) {
  AddVirtual("bond0", 90);
  AddVirtual("bond0.7", 91);
  SetLower("bond0.7", "bond0");
  SetLower("bond0", "enp2s0f0");
  SetLower("bond0", "bond0.7");  // a loop must not hang
  machine_.netlink.SetDefaultRouteInterfaces({91});
  EXPECT_THAT(Reason("0000:02:00.0"), HasSubstr("default route (bond0.7)"));
}

TEST_F(HostUse, TheDefaultRouteOverOpenVswitchKeepsEveryInterfaceItJoins) {
  AddVirtual("br-ex", 90);
  AddVirtual("ovs-system", 91);
  SetLower("ovs-system", "enp2s0f0");
  machine_.netlink.SetDefaultRouteInterfaces({90});
  EXPECT_THAT(Reason("0000:02:00.0"), HasSubstr("default route (br-ex)"));
}

TEST_F(HostUse, ARouteOverAVfKeepsItsPf) {
  MakeVfs(2);
  machine_.netlink.SetDefaultRouteInterfaces({IndexOf("enp2s0f0v1")});
  EXPECT_THAT(Reason("0000:02:10.2"), HasSubstr("default route"));
  EXPECT_THAT(Reason("0000:02:00.0"), HasSubstr("virtual function 0000:02:10.2 is in use"));
  EXPECT_EQ(Reason("0000:02:10.0"), "");
}

TEST_F(HostUse, UnknownRoutesAreAnErrorAndNotFreedom) {
  machine_.netlink.on_talk = [](int, std::span<const std::byte>) {
    return Result<std::vector<NetlinkMessage>>(Fail(Error::FromErrno(EPERM, "netlink")));
  };
  EXPECT_EQ(FunctionsInHostUse(host_, {}).error().sys, EPERM);
}

TEST_F(HostUse, AMountedDiskIsKept) {
  AddBlock("nvme0n1", "259:0");
  AddBlock("nvme0n1/nvme0n1p1", "259:1");
  machine_.kernel.SetFile("/proc/self/mountinfo",
                          "30 1 259:1 / / rw shared:1 - ext4 /dev/nvme0n1p1 rw\n");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("mounted file system (/dev/nvme0n1p1 on /)"));
  EXPECT_EQ(Reason("0000:02:00.0"), "");
}

TEST_F(HostUse, AMountIsFollowedThroughDeviceMapperOnMd) {
  AddBlock("nvme0n1", "259:0");
  AddMapper("md0", "9:0", "nvme0n1");
  machine_.kernel.SetLink("/sys/class/block/md0", "/sys/devices/virtual/block/md0");
  AddMapper("dm-0", "254:0", "md0");
  machine_.kernel.SetFile("/proc/self/mountinfo",
                          "30 1 254:0 / /var rw - xfs /dev/mapper/vg-var rw\n");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("/dev/mapper/vg-var on /var"));
}

TEST_F(HostUse, AMountIsFollowedThroughNvmeMultipath) {
  const std::string subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
  machine_.kernel.SetFile(subsystem + "/nvme0n1/dev", "259:0\n");
  machine_.kernel.SetLink(subsystem + "/nvme0", State("0000:05:00.0").sysfs_path + "/nvme/nvme0");
  machine_.kernel.SetLink(subsystem + "/subsystem", "/sys/class/nvme-subsystem");
  machine_.kernel.SetLink("/sys/dev/block/259:0", subsystem + "/nvme0n1");
  machine_.kernel.SetFile("/proc/self/mountinfo", "30 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("mounted file system"));
}

TEST_F(HostUse, AFileSystemWithoutDeviceNumberIsFoundByItsSource) {
  AddBlock("nvme0n1", "259:0");
  machine_.kernel.SetNode(
      {.path = "/dev/nvme0n1", .type = 'b', .major = 259, .minor = 0, .permissions = 0660});
  machine_.kernel.SetFile("/proc/self/mountinfo",
                          "30 1 0:31 / /data rw - btrfs /dev/nvme0n1 rw,subvol=/\n");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("/dev/nvme0n1 on /data"));
}

TEST_F(HostUse, SwapKeepsItsDisk) {
  AddBlock("nvme0n1", "259:0");
  machine_.kernel.SetNode(
      {.path = "/dev/nvme0n1", .type = 'b', .major = 259, .minor = 0, .permissions = 0660});
  machine_.kernel.SetFile("/proc/swaps",
                          "Filename\tType\n/dev/nvme0n1   partition\t8\t0\t-2\n/swap file\t1\n");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("swap (/dev/nvme0n1)"));
}

TEST_F(HostUse, ADiskThatIsPartOfAnAssembledDeviceIsKept) {
  AddBlock("nvme0n1", "259:0");
  const std::string dir = State("0000:05:00.0").sysfs_path + "/nvme/nvme0/nvme0n1";
  machine_.kernel.SetLink(dir + "/holders/dm-3", "/sys/devices/virtual/block/dm-3");
  EXPECT_THAT(Reason("0000:05:00.0"), HasSubstr("its disk nvme0n1 is part of dm-3"));
}

TEST_F(HostUse, UnknownMountsAreAnErrorAndNotFreedom) {
  machine_.kernel.faults().FailRead("/proc/self/mountinfo", EACCES);
  EXPECT_EQ(FunctionsInHostUse(host_, {}).error().sys, EACCES);
  machine_.kernel.faults().FailRead("/proc/swaps", EIO);
  EXPECT_EQ(FunctionsInHostUse(host_, {}).error().sys, EIO);
}

TEST_F(HostUse, BootVgaAndBridgesAreKept) {
  sim::FunctionSpec screen = sim::Plain("0000:08:00.0"), gpu = sim::Plain("0000:09:00.0"),
                    bridge = sim::Plain("0000:0a:00.0");
  screen.class_code = gpu.class_code = 0x030000;
  screen.boot_vga = true;
  bridge.class_code = 0x060400;
  for (const auto& spec : {screen, gpu, bridge}) ASSERT_TRUE(machine_.kernel.AddFunction(spec));
  EXPECT_THAT(Reason("0000:08:00.0"), HasSubstr("boot VGA"));
  EXPECT_EQ(Reason("0000:09:00.0"), "");
  EXPECT_THAT(Reason("0000:0a:00.0"), HasSubstr("bridge"));
}

TEST(Mountinfo, IsReadByItsFields) {
  const auto lines = ParseMountinfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
      "37 35 0:5 / /with\\040blank rw - tmpfs none rw\n");
  EXPECT_THAT(lines, ElementsAre(MountLine{98, 0, "/mnt2", "/dev/root"},
                                 MountLine{0, 5, "/with blank", "none"}));
}

TEST(Mountinfo, LinesWithoutItsFormatAreSkipped) {
  for (const char* bad :
       {"", "-", "36 35 98:0 /mnt1 /mnt2 rw", "36 35 98 / / rw - ext3 /dev/root rw",
        "36 35 98:x / / rw - ext3 /dev/root rw", "36 - 98:0 / / rw ext3 a b",
        "36 35 98:0 / / rw - ext3", "36 35 -1:0 / / rw - ext3 /dev/root rw"}) {
    EXPECT_THAT(ParseMountinfo(bad), IsEmpty()) << bad;
  }
}

TEST(Mountinfo, OddEscapesStayAsTheyAre) {
  const auto lines = ParseMountinfo("36 35 98:0 / /a\\9x\\04 rw - ext3 \\011b\\ rw\n");
  EXPECT_THAT(lines, ElementsAre(MountLine{98, 0, "/a\\9x\\04", "\tb\\"}));
}

TEST(Swaps, AreTheFirstWordOfEachLineWithAPath) {
  EXPECT_THAT(ParseSwaps("Filename Type Size\n/dev/sda2 partition 8\n/a\\040b file 1\n"),
              ElementsAre("/dev/sda2", "/a b"));
  EXPECT_THAT(ParseSwaps(""), IsEmpty());
}

}  // namespace
}  // namespace drapci::hal
