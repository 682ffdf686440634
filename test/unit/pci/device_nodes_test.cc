#include "hal/pci/device_nodes.h"

#include <gmock/gmock.h>

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::ElementsAre;
using testing::IsEmpty;

class DeviceNodesTest : public test::NicMachine {
 protected:
  // A device below the NVMe disk with a node called `devname`.
  void AddChild(std::string_view path, std::string_view devname) {
    const std::string dir = disk_dir_ + "/" + std::string(path);
    machine_.kernel.SetFile(dir + "/dev", "259:0\n");
    machine_.kernel.SetFile(dir + "/uevent",
                            "MAJOR=259\nMINOR=0\nDEVNAME=" + std::string(devname) + "\n");
  }
  void SetUp() override {
    ASSERT_TRUE(machine_.kernel.AddFunction(sim::Nvme("0000:05:00.0")));
    disk_dir_ = State("0000:05:00.0").sysfs_path;
  }

  const PciAddress disk_ = At("0000:05:00.0");
  std::string disk_dir_;
};

TEST_F(DeviceNodesTest, AreThoseOfEveryDeviceBelow) {
  AddChild("nvme/nvme0/nvme0n1", "nvme0n1");
  AddChild("nvme/nvme0/nvme0n1/nvme0n1p1", "nvme0n1p1");
  AddChild("drm/renderD128", "dri/renderD128");
  EXPECT_THAT(DeviceNodes(machine_.sysfs, disk_).value(),
              ElementsAre("/dev/dri/renderD128", "/dev/nvme0", "/dev/nvme0n1", "/dev/nvme0n1p1"));
}

TEST_F(DeviceNodesTest, AnUnboundFunctionHasNone) {
  Store("/sys/bus/pci/drivers/nvme/unbind", "0000:05:00.0");
  EXPECT_THAT(DeviceNodes(machine_.sysfs, disk_).value(), IsEmpty());
}

TEST_F(DeviceNodesTest, OtherFunctionsBelowAreNotEntered) {
  AddChild("0000:06:00.0/nvme/nvme1", "nvme1");
  EXPECT_THAT(DeviceNodes(machine_.sysfs, disk_).value(), ElementsAre("/dev/nvme0"));
}

TEST_F(DeviceNodesTest, LinksAreNotFollowed) {
  AddChild("nvme/nvme0/nvme0n1", "nvme0n1");
  machine_.kernel.SetLink(disk_dir_ + "/loop", disk_dir_);
  machine_.kernel.SetLink(disk_dir_ + "/firmware_node", nic_path_);
  EXPECT_THAT(DeviceNodes(machine_.sysfs, disk_).value(),
              ElementsAre("/dev/nvme0", "/dev/nvme0n1"));
}

TEST_F(DeviceNodesTest, NamesThatCouldLeaveDevAreRefused) {
  for (const char* bad : {"../etc/passwd", "/etc/passwd", "a/../../b", "", "a//b", ".", "a b"}) {
    AddChild("nvme/evil", bad);
    EXPECT_EQ(DeviceNodes(machine_.sysfs, disk_).error().code, Code::kInvalid) << bad;
  }
}

TEST_F(DeviceNodesTest, OfAFunctionThatIsNotThereAreGone) {
  EXPECT_EQ(DeviceNodes(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
  EXPECT_EQ(NetworkInterfaces(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
}

TEST_F(DeviceNodesTest, NetworkInterfacesAreThoseOfTheDriver) {
  EXPECT_THAT(NetworkInterfaces(machine_.sysfs, nic_).value(), ElementsAre("enp2s0f0"));
  EXPECT_THAT(NetworkInterfaces(machine_.sysfs, disk_).value(), IsEmpty());
  machine_.kernel.SetFile(disk_dir_ + "/virtio3/net/eth7/mtu", "1500\n");
  EXPECT_THAT(NetworkInterfaces(machine_.sysfs, disk_).value(), ElementsAre("eth7"));
}

}  // namespace
}  // namespace drapci::hal
