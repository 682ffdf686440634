#include "hal/accel/match.h"

#include <gmock/gmock.h>

#include <set>

#include "hal/accel/pci_settings.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;

PciFunction Function(uint32_t class_code, std::optional<int> total = std::nullopt,
                     std::optional<PciAddress> physfn = std::nullopt) {
  PciFunction function;
  function.class_code = class_code;
  function.sriov_total = total;
  function.physfn = physfn;
  return function;
}

std::string_view FamilyOf(const PciFunction& function) {
  const Family* family = MatchFamily(function);
  return family != nullptr ? family->name : "none";
}

TEST(Match, TheFirstFamilyInTheTableWins) {
  EXPECT_EQ(FamilyOf(Function(0x020000, 7)), "sriov");
  EXPECT_EQ(FamilyOf(Function(0x020000)), "function");
  EXPECT_EQ(FamilyOf(Function(0x120000, 0)), "function");
}

TEST(Match, BridgesAndVfsAreNeverManaged) {
  for (uint32_t bridge : {0x060000u, 0x060100u, 0x060400u, 0x068000u}) {
    EXPECT_EQ(FamilyOf(Function(bridge)), "none");
    EXPECT_EQ(FamilyOf(Function(bridge, 7)), "none");
  }
  EXPECT_EQ(FamilyOf(Function(0x020000, std::nullopt, At("0000:02:00.0"))), "none");
}

TEST(Match, FamiliesHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const Family& family : Families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_FALSE(SeenOn(family.name).empty()) << family.name;
  }
  EXPECT_EQ(Families().back().name, "function");  // the one that takes the rest comes last
}

TEST(Match, TheSettingsAreThoseOfEveryFamily) {
  sim::FakeHost machine;
  const SettingTable table = MakeSettings(machine.host);
  EXPECT_TRUE(table.contains(kDriverSetting));
  EXPECT_TRUE(table.contains(kSriovSetting));
}

TEST(AcceleratorNames, AreDnsLabelsAndStable) {
  EXPECT_EQ(AcceleratorName(At("0000:02:00.0")), "pci-0000-02-00-0");
  EXPECT_EQ(AcceleratorName(At("10000:ff:1f.7")), "pci-10000-ff-1f-7");
}

}  // namespace
}  // namespace drapci::hal
