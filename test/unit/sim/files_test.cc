// fs/kernfs/file.c, fs/sysfs/file.c, drivers/pci/pci-sysfs.c: modes, links, errnos, formats.
#include <gmock/gmock.h>

#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using Files = Machine;

TEST_F(Files, BindRootByTheModeBits) {
  EXPECT_EQ(Write(kPf + "/vendor", "1"), EACCES);
  EXPECT_EQ(ReadError(kPf + "/reset"), EACCES);
  EXPECT_EQ(ReadError("/sys/bus/pci/drivers_probe"), EACCES);
}

TEST_F(Files, GiveEnoentWhereNothingIs) {
  EXPECT_EQ(ReadError(kPf + "/nothing"), ENOENT);
  EXPECT_EQ(Write(kPf + "/nothing", "1"), ENOENT);
  EXPECT_EQ(machine.sysfs.Read(kPf + "/nothing").error().code, Code::kGone);
}

TEST_F(Files, AreNoDirectories) {
  EXPECT_EQ(ReadError(kPf), EISDIR);
  EXPECT_EQ(kernel.List(kPf + "/vendor").error(), ENOTDIR);
}

TEST_F(Files, GiveEioWhenTheMethodIsMissing) {
  FunctionSpec function = Plain("0000:05:00.0");
  function.bars = {{.start = 0xfe000000, .size = 4096}};
  ASSERT_TRUE(kernel.AddFunction(function));
  EXPECT_EQ(ReadError("/sys/bus/pci/devices/0000:05:00.0/resource0"), EIO);
}

TEST_F(Files, GiveEnodevWhenOpenAndTheDeviceGoes) {
  auto open = kernel.Open(kPf + "/driver_override", true, true);
  ASSERT_TRUE(open);
  ASSERT_TRUE(kernel.Unplug(At("0000:02:00.0")));
  EXPECT_EQ(kernel.ReadOpen(*open).error(), ENODEV);
  EXPECT_EQ(kernel.WriteOpen(*open, kPf + "/driver_override", "x"), ENODEV);
  EXPECT_EQ(ReadError(kPf + "/driver_override"), ENOENT);
}

TEST_F(Files, ArePrintedAsTheKernelPrintsThem) {
  EXPECT_EQ(kernel.Read(kPf + "/vendor").value(), "0x8086\n");
  EXPECT_EQ(kernel.Read(kPf + "/class").value(), "0x020000\n");
  EXPECT_EQ(kernel.Read(kPf + "/revision").value(), "0x01\n");
  EXPECT_EQ(kernel.Read(kPf + "/numa_node").value(), "-1\n");
  EXPECT_EQ(kernel.Read(kPf + "/current_link_speed").value(), "8.0 GT/s PCIe\n");
  EXPECT_EQ(kernel.Read(kPf + "/modalias").value(),
            "pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00\n");
}

TEST_F(Files, HaveAResourceLinePerRegion) {
  auto lines = [&](const std::string& dir) {
    std::string text = kernel.Read(dir + "/resource").value();
    return std::ranges::count(text, '\n');
  };
  EXPECT_EQ(lines(kPf), 13);
  EXPECT_EQ(lines("/sys/bus/pci/devices/0000:00:02.0"), 17);
}

TEST_F(Files, AreFoundThroughTheTopology) {
  EXPECT_EQ(machine.sysfs.ReadLink(kPf).value(),
            "../../../devices/pci0000:00/0000:00:02.0/0000:02:00.0");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/subsystem").value(), "../../../../bus/pci");
  EXPECT_EQ(machine.sysfs.ReadLink(kPf + "/iommu_group").value(),
            "../../../../kernel/iommu_groups/10");
  EXPECT_EQ(machine.sysfs.Resolve("/sys/class/net/enp2s0f0").value(),
            "/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/enp2s0f0");
}

TEST_F(Files, ResetOnlyByOne) {
  EXPECT_EQ(Write(kPf + "/reset", "2"), EINVAL);
  EXPECT_EQ(Write(kPf + "/reset", "1\n"), 0);
  EXPECT_EQ(Write(kPf + "/reset_method", "flr"), 0);
  EXPECT_EQ(Write(kPf + "/reset_method", "cxl_bus"), EINVAL);
}

TEST_F(Files, EnableOnlyWhatHasNoDriver) {
  EXPECT_EQ(Read(kPf + "/enable"), "1");
  EXPECT_EQ(Write(kPf + "/enable", "1"), EBUSY);
  ASSERT_EQ(Write(kDrivers + "/igb/unbind", "0000:02:00.0"), 0);
  EXPECT_EQ(Write(kPf + "/enable", "0"), EIO);
  EXPECT_EQ(Write(kPf + "/enable", "1"), 0);
}

TEST_F(Files, CountAerErrorsAtTheFunctionAndItsRootPort) {
  EXPECT_THAT(Read(kPf + "/aer_dev_correctable"), testing::HasSubstr("TOTAL_ERR_COR 0"));
  ASSERT_TRUE(kernel.AddAerErrors(At("0000:02:00.0"), "correctable", "BadTLP", 2));
  EXPECT_THAT(Read(kPf + "/aer_dev_correctable"), testing::HasSubstr("BadTLP 2\n"));
  EXPECT_THAT(Read(kPf + "/aer_dev_correctable"), testing::HasSubstr("TOTAL_ERR_COR 2"));
  EXPECT_EQ(Read("/sys/bus/pci/devices/0000:00:02.0/aer_rootport_total_err_cor"), "2");
  EXPECT_FALSE(kernel.AddAerErrors(At("0000:02:00.0"), "correctable", "Nonsense", 1));
}

TEST_F(Files, TellTheBootVga) {
  FunctionSpec vga = Plain("0000:05:00.0", 0x1234, 0x1111);
  vga.class_code = 0x030000;
  vga.boot_vga = true;
  ASSERT_TRUE(kernel.AddFunction(vga));
  EXPECT_EQ(Read("/sys/bus/pci/devices/0000:05:00.0/boot_vga"), "1");
  EXPECT_FALSE(Exists(kPf + "/boot_vga"));
}

TEST_F(Files, HoldConfigurationSpaceThatParses) {
  FunctionSpec card = Plain("0000:05:00.0");
  card.serial = 0x000a3500fe5000aa;
  card.link_speed = "16.0 GT/s PCIe";
  card.max_link_speed = "32.0 GT/s PCIe";
  card.link_width = 8;
  card.max_link_width = 16;
  ASSERT_TRUE(kernel.AddFunction(card));
  std::string bytes = kernel.Read("/sys/bus/pci/devices/0000:05:00.0/config").value();
  ASSERT_EQ(bytes.size(), 4096U);
  hal::ConfigSpace config(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(config.Pcie());
  EXPECT_EQ(config.Pcie()->current_speed, 4);
  EXPECT_EQ(config.Pcie()->max_speed, 5);
  EXPECT_EQ(config.Pcie()->current_width, 8);
  EXPECT_EQ(config.Pcie()->max_width, 16);
  EXPECT_TRUE(config.Pcie()->function_level_reset);
  EXPECT_TRUE(config.HasAer());
  EXPECT_EQ(config.SerialNumber(), 0x000a3500fe5000aaULL);
  EXPECT_FALSE(config.Sriov());
}

TEST_F(Files, GetNewContentWithoutLosingTheirStore) {
  kernel.SetFile(kPf + "/current_link_width", "1\n");
  EXPECT_EQ(Read(kPf + "/current_link_width"), "1");
  EXPECT_EQ(Write(kPf + "/current_link_width", "4"), EACCES);
  kernel.SetFile("/proc/swaps", "Filename\n");
  EXPECT_EQ(Read("/proc/swaps"), "Filename");
}

}  // namespace
}  // namespace drapci::sim
