#include "hal/pci/address.h"

#include <gtest/gtest.h>

namespace drapci::hal {
namespace {

TEST(PciAddress, IsSpelledAsInSysfs) {
  const PciAddress address{.domain = 0, .bus = 0x2, .device = 0x1f, .function = 7};
  EXPECT_EQ(address.ToString(), "0000:02:1f.7");
  EXPECT_EQ(address.SysfsPath(), "/sys/bus/pci/devices/0000:02:1f.7");
  EXPECT_EQ(PciAddress::Parse("0000:02:1f.7"), address);
}

TEST(PciAddress, TakesTheShortFormAndUpperCase) {
  EXPECT_EQ(PciAddress::Parse("02:00.0"), PciAddress::Parse("0000:02:00.0"));
  EXPECT_EQ(PciAddress::Parse("ABCD:EF:1A.3"), PciAddress::Parse("abcd:ef:1a.3"));
}

TEST(PciAddress, HasDomainsOfMoreThanFourDigits) {
  const PciAddress address = PciAddress::Parse("10000:e1:00.0").value();
  EXPECT_EQ(address.domain, 0x10000u);
  EXPECT_EQ(address.ToString(), "10000:e1:00.0");
  EXPECT_EQ(PciAddress::Parse("ffffffff:ff:1f.7")->domain, 0xffffffffu);
}

TEST(PciAddress, RefusesEverythingElse) {
  for (const char* bad : {"",
                          "0000",
                          "0000:02:00",
                          "0000:02:00.",
                          "0000:02:00.8",
                          "0000:02:20.0",
                          "0000:2:00.0",
                          "0000:02:0.0",
                          "0000:02:00.00",
                          "0000:02:00.0 ",
                          " 0000:02:00.0",
                          "0000:02:00.0\n",
                          "000:02:00.0",
                          ":02:00.0",
                          "100000000:02:00.0",
                          "0000-02:00.0",
                          "0000:02-00.0",
                          "0000:02:00-0",
                          "0000:+2:00.0",
                          "0000:-2:00.0",
                          "0x00:02:00.0",
                          "000g:02:00.0",
                          "0000:02:00.0/driver",
                          "../:02:00.0"}) {
    EXPECT_EQ(PciAddress::Parse(bad), std::nullopt) << bad;
  }
}

TEST(PciAddress, SortsByPlace) {
  EXPECT_LT(PciAddress::Parse("0000:02:00.1"), PciAddress::Parse("0000:02:01.0"));
  EXPECT_LT(PciAddress::Parse("0000:ff:1f.7"), PciAddress::Parse("0001:00:00.0"));
}

}  // namespace
}  // namespace drapci::hal
