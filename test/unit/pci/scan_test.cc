// libpci reads real files, so these tests give it a tree on disk.
#include "hal/pci/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "test/unit/os/temporary_directory.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;

// The machine's /sys at another place.
class SysfsBelow : public KernelSysfs {
 public:
  explicit SysfsBelow(std::string root) : root_(std::move(root)) {}
  Result<std::string> Read(std::string_view path) const override {
    return KernelSysfs::Read(root_ + std::string(path));
  }
  Result<std::vector<std::string>> List(std::string_view path) const override {
    return KernelSysfs::List(root_ + std::string(path));
  }
  Result<std::string> ReadLink(std::string_view path) const override {
    return KernelSysfs::ReadLink(root_ + std::string(path));
  }
  Result<std::string> Resolve(std::string_view path) const override {
    return KernelSysfs::Resolve(root_ + std::string(path));
  }
  bool Exists(std::string_view path) const override {
    return KernelSysfs::Exists(root_ + std::string(path));
  }

 private:
  const std::string root_;
};

class Scan : public testing::Test {
 protected:
  void SetUp() override { tree_.Put("sys/bus/pci/devices/.keep", ""); }
  void AddFunction(const std::string& address, const std::string& vendor, const std::string& device,
                   const std::string& class_code, std::string config = std::string(64, '\0')) {
    const std::string dir = "sys/devices/pci0000:00/" + address + "/";
    tree_.Put(dir + "vendor", vendor + "\n");
    tree_.Put(dir + "device", device + "\n");
    tree_.Put(dir + "subsystem_vendor", "0x1af4\n");
    tree_.Put(dir + "subsystem_device", "0x1100\n");
    tree_.Put(dir + "class", class_code + "\n");
    tree_.Put(dir + "revision", "0x01\n");
    tree_.Put(dir + "irq", "0\n");
    tree_.Put(dir + "resource", "");
    tree_.Put(dir + "config", config);
    tree_.Link("sys/bus/pci/devices/" + address, "../../../devices/pci0000:00/" + address);
  }
  std::string PathOf(const std::string& address, const std::string& file) const {
    return tree_ / ("sys/devices/pci0000:00/" + address + "/" + file);
  }
  Result<std::vector<PciFunction>> Run() { return scanner_->Scan(); }

  test::TemporaryDirectory tree_;
  const SysfsBelow sysfs_{tree_.path()};
  const std::unique_ptr<PciScanner> scanner_ = MakeLibpciScanner(sysfs_, tree_ / "sys/bus/pci");
};

// Express capability at 0x40; serial number, then AER, in extended space.
std::string NicConfig() {
  std::string config(4096, '\0');
  const auto set = [&](size_t at, std::initializer_list<int> values) {
    for (int value : values) config[at++] = static_cast<char>(value);
  };
  set(0x00, {0x86, 0x80, 0xc9, 0x10, 0x00, 0x00, 0x10, 0x00});
  set(0x34, {0x40});
  set(0x40, {0x10, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x10});
  set(0x4c, {0x43, 0xf4, 0x03, 0x00});
  set(0x52, {0x21, 0x10});
  set(0x100, {0x03, 0x00, 0x01, 0x20, 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55});
  set(0x200, {0x01, 0x00, 0x01, 0x00});
  return config;
}

TEST_F(Scan, TellsWhatEachFunctionIsSortedByAddress) {
  AddFunction("0000:02:00.1", "0x8086", "0x10c9", "0x020000", NicConfig());
  AddFunction("0000:02:00.0", "0x10ee", "0x5000", "0x120000");
  const auto functions = Run();
  ASSERT_TRUE(functions) << functions.error().what;
  ASSERT_EQ(functions->size(), 2u);
  EXPECT_EQ(functions->at(0).address, At("0000:02:00.0"));
  const PciFunction& nic = functions->at(1);
  EXPECT_EQ(nic.address, At("0000:02:00.1"));
  EXPECT_EQ(nic.vendor, 0x8086);
  EXPECT_EQ(nic.device, 0x10c9);
  EXPECT_EQ(nic.subsystem_vendor, 0x1af4);
  EXPECT_EQ(nic.subsystem_device, 0x1100);
  EXPECT_EQ(nic.class_code, 0x020000u);
  EXPECT_EQ(nic.revision, 1);
  EXPECT_EQ(nic.pcie_root, "pci0000:00");
}

TEST_F(Scan, ReadsTheRegistersItNeedsFromConfigurationSpace) {
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000", NicConfig());
  const PciFunction nic = Run().value().at(0);
  std::string bytes = NicConfig();
  EXPECT_EQ(nic.pcie, ConfigSpace(std::as_bytes(std::span(bytes))).Pcie());
  EXPECT_EQ(nic.pcie->max_width, 4);
  EXPECT_TRUE(nic.has_aer);
  EXPECT_EQ(nic.serial_number, 0x5566778811223344u);
}

TEST_F(Scan, ConfigurationSpaceWithLoopsEnds) {
  std::string config(4096, '\0');
  config.replace(0, 8, std::string("\x86\x80\xc9\x10\0\0\x10\0", 8));
  config[0x34] = 0x40;
  config.replace(0x40, 2, "\x05\x40");
  config.replace(0x100, 4, std::string("\x07\0\x01\x10", 4));
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000", config);
  EXPECT_EQ(Run().value().at(0).pcie, std::nullopt);
}

TEST_F(Scan, ConfigurationSpaceThatCannotBeReadLeavesItsFactsOut) {
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000", "");
  const auto functions = Run();
  ASSERT_TRUE(functions) << functions.error().what;
  EXPECT_EQ(functions->at(0).pcie, std::nullopt);
  EXPECT_FALSE(functions->at(0).has_aer);
}

TEST_F(Scan, TheSecondScanSeesWhatHasChanged) {
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000");
  EXPECT_EQ(Run()->size(), 1u);
  AddFunction("0000:03:00.0", "0x8086", "0x10c9", "0x020000");
  std::filesystem::remove(tree_ / "sys/bus/pci/devices/0000:02:00.0");
  const auto functions = Run().value();
  ASSERT_EQ(functions.size(), 1u);
  EXPECT_EQ(functions[0].address, At("0000:03:00.0"));
}

TEST_F(Scan, AnErrorOfLibpciIsAResultAndNotTheEndOfTheProcess) {
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000");
  std::filesystem::remove(PathOf("0000:02:00.0", "vendor"));
  for (int i = 0; i < 3; ++i) {  // nothing is left behind by the jump out of libpci
    const auto functions = Run();
    ASSERT_FALSE(functions);
    EXPECT_TRUE(functions.error().what.contains("vendor")) << functions.error().what;
    EXPECT_TRUE(functions.error().what.starts_with("scan the PCI bus: libpci: "));
  }
  tree_.Put("sys/devices/pci0000:00/0000:02:00.0/vendor", "0x8086\n");
  EXPECT_EQ(Run()->size(), 1u);
}

TEST_F(Scan, AFunctionThatVanishesDuringTheScanIsLeftOut) {
  AddFunction("0000:02:00.0", "0x8086", "0x10c9", "0x020000");
  // Listed still, but its directory is gone.
  tree_.Link("sys/bus/pci/devices/0000:03:00.0", "../../../devices/pci0000:00/0000:03:00.0");
  const auto functions = Run();
  ASSERT_TRUE(functions) << functions.error().what;
  EXPECT_EQ(functions->size(), 1u);
}

TEST_F(Scan, AMachineWithoutThatBusIsAnErrorAndNoOtherMethodIsTried) {
  std::filesystem::remove_all(tree_ / "sys/bus/pci");
  const auto functions = Run();
  ASSERT_FALSE(functions);
  EXPECT_TRUE(functions.error().what.contains(tree_ / "sys/bus/pci")) << functions.error().what;
}

TEST_F(Scan, DomainsOfMoreThanFourDigitsAreKept) {
  AddFunction("10000:e1:00.0", "0x8086", "0x10c9", "0x020000");
  EXPECT_EQ(Run().value().at(0).address, At("10000:e1:00.0"));
}

}  // namespace
}  // namespace drapci::hal
