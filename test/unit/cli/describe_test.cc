#include "plugin/cli/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::cli {
namespace {

using testing::HasSubstr;

v1::Accelerator Nic() {
  v1::Accelerator nic;
  nic.set_name("pci-0000-02-00-0");
  nic.set_family("sriov");
  nic.set_address("0000:02:00.0");
  nic.set_vendor_id("8086");
  nic.set_device_id("10c9");
  nic.set_vendor_name("Intel Corporation");
  nic.set_driver("igb");
  nic.set_numa_node(-1);
  auto* whole = nic.add_devices();
  whole->set_name("pci-0000-02-00-0");
  whole->set_profile("function");
  auto* vf = nic.add_devices();
  vf->set_name("pci-0000-02-00-0-vf0");
  vf->set_profile("vf");
  return nic;
}

TEST(Summary, OfTheWholeFunctionHasItsAddressAndDriver) {
  const v1::Accelerator nic = Nic();
  const DeviceSummary summary = Summarize(nic, &nic.devices(0));
  EXPECT_EQ(summary.address, "0000:02:00.0");
  EXPECT_EQ(summary.driver, "igb");
  EXPECT_EQ(summary.state, "free");
}

TEST(Summary, OfAVfThatDoesNotExistYetHasNone) {
  const v1::Accelerator nic = Nic();
  const DeviceSummary summary = Summarize(nic, &nic.devices(1));
  EXPECT_EQ(summary.address, "");
  EXPECT_EQ(summary.driver, "");
}

TEST(Summary, OfAVfTakesItsOwnAttributes) {
  v1::Accelerator nic = Nic();
  auto* attribute = nic.mutable_devices(1)->add_attributes();
  attribute->set_name("address");
  attribute->set_string_value("0000:02:10.0");
  EXPECT_EQ(Summarize(nic, &nic.devices(1)).address, "0000:02:10.0");
}

TEST(Summary, HeldBeatsTheReasonWhyNobodyElseCanHaveIt) {
  v1::Accelerator nic = Nic();
  nic.mutable_devices(1)->set_held_by("u-1");
  nic.mutable_devices(1)->set_unusable("held");
  const DeviceSummary summary = Summarize(nic, &nic.devices(1));
  EXPECT_EQ(summary.state, "held");
  EXPECT_EQ(summary.held_by, "u-1");
  EXPECT_EQ(summary.reason, "");
}

TEST(Summary, ForeignAndUnusableAndGoneSayWhy) {
  v1::Accelerator nic = Nic();
  nic.mutable_devices(0)->set_unusable("carries the default route (eth0)");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).state, "unusable");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).reason, "carries the default route (eth0)");
  nic.set_foreign("4 VFs made by somebody else");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).state, "foreign");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).reason, "4 VFs made by somebody else");
  nic.set_gone(true);
  nic.mutable_devices(0)->set_held_by("u-1");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).state, "gone");
}

TEST(Summary, TellsADeviceThatIsExcludedByWhatIsHeld) {
  v1::Accelerator nic = Nic();
  nic.mutable_devices(0)->set_excluded("VF 1 is held by u-1");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).state, "excluded");
  EXPECT_EQ(Summarize(nic, &nic.devices(0)).reason, "VF 1 is held by u-1");
}

TEST(Description, OfAnAcceleratorListsItsParts) {
  const std::string text = Describe(Nic(), "pci-0000-02-00-0");
  EXPECT_THAT(text, HasSubstr("Name:          pci-0000-02-00-0\n"));
  EXPECT_THAT(text, HasSubstr("Hardware:      Intel Corporation Device 10c9 [8086:10c9]\n"));
  EXPECT_THAT(text, HasSubstr("IOMMU group:   none (no vfio)\n"));
  EXPECT_THAT(text, HasSubstr("pci-0000-02-00-0-vf0"));
}

TEST(Description, OfAPartNamesItsCard) {
  const std::string text = Describe(Nic(), "pci-0000-02-00-0-vf0");
  EXPECT_THAT(text, HasSubstr("Part of:       pci-0000-02-00-0\n"));
  EXPECT_THAT(text, HasSubstr("Address:       made when it is claimed\n"));
}

TEST(Description, TellsWhereAPartLiesAndWhatNothingEnforces) {
  v1::Accelerator nic = Nic();
  nic.mutable_scale()->set_unit("memory slices");
  nic.mutable_scale()->set_size(8);
  nic.mutable_devices(1)->mutable_extent()->set_start(4);
  nic.mutable_devices(1)->mutable_extent()->set_size(2);
  (*nic.mutable_devices(1)->mutable_capacities())["memory"] = "10Gi";
  nic.mutable_devices(1)->add_advisory("memory");
  const std::string part = Describe(nic, "pci-0000-02-00-0-vf0");
  EXPECT_THAT(part, HasSubstr("Place:         memory slices 4-5 of 8\n"));
  EXPECT_THAT(part, HasSubstr("memory  10Gi (advisory: nothing enforces it)\n"));
  EXPECT_THAT(Describe(nic, nic.name()), HasSubstr("Places:        8 memory slices\n"));
}

TEST(Description, NeverPassesOnEscapeSequencesOfTheHardware) {
  v1::Accelerator nic = Nic();
  nic.set_vendor_name("Evil\x1b]0;owned\x07");
  EXPECT_THAT(Describe(nic, nic.name()), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace drapci::cli
