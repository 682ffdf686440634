#include "plugin/control_convert.h"

#include <gtest/gtest.h>

namespace drapci::plugin {
namespace {

TEST(ControlConvert, TellsWherePartsLieThoseThatStandForSharesToo) {
  driver::AcceleratorView view;
  view.description.scale = hal::Scale{.unit = "slices\x1b", .size = 8};
  view.description.parts.push_back({.name = "vf0"});
  view.description.parts.push_back(
      {.name = "vf1", .stands_for_share = true, .extent = hal::Extent{.start = 1, .size = 2}});
  v1::Accelerator accelerator;
  Convert(view, accelerator);
  EXPECT_EQ(accelerator.scale().unit(), "slices?");
  EXPECT_EQ(accelerator.scale().size(), 8);
  ASSERT_EQ(accelerator.share_parts_size(), 1);
  EXPECT_EQ(accelerator.share_parts(0).name(), "vf1");
  EXPECT_EQ(accelerator.share_parts(0).extent().start(), 1);
  EXPECT_EQ(accelerator.share_parts(0).extent().size(), 2);
}

TEST(ControlConvert, LeavesOutPlacesThatThereAreNot) {
  v1::Accelerator accelerator;
  Convert(driver::AcceleratorView(), accelerator);
  EXPECT_FALSE(accelerator.has_scale());
  v1::Device device;
  Convert(driver::Device(), device);
  EXPECT_FALSE(device.has_extent());
}

TEST(ControlConvert, TellsADevicesPlaceAndWhichCapacitiesNothingEnforces) {
  driver::Device from;
  from.part.extent = hal::Extent{.start = 4, .size = 2};
  from.part.capacities["memory"] = {.value = 10, .enforced = false};
  from.part.capacities["vfs"] = {.value = 4};
  v1::Device device;
  Convert(from, device);
  EXPECT_EQ(device.extent().start(), 4);
  EXPECT_EQ(device.extent().size(), 2);
  ASSERT_EQ(device.advisory_size(), 1);
  EXPECT_EQ(device.advisory(0), "memory");
}

TEST(ControlConvert, TellsWhatAClaimHolds) {
  driver::ClaimRecord record;
  record.holdings.push_back({.accelerator = "pci-0000-02-00-0",
                             .device = "pci-0000-02-00-0",
                             .part = "vf3",
                             .share_id = "s",
                             .consumes = {{"bandwidth", 200'000'000}, {"vfs", 1}}});
  v1::Claim claim;
  Convert(record, claim);
  ASSERT_EQ(claim.holdings_size(), 1);
  EXPECT_EQ(claim.holdings(0).accelerator(), "pci-0000-02-00-0");
  EXPECT_EQ(claim.holdings(0).part(), "vf3");
  EXPECT_EQ(claim.holdings(0).share_id(), "s");
  EXPECT_EQ(claim.holdings(0).consumes().at("bandwidth"), 200'000'000);
}

}  // namespace
}  // namespace drapci::plugin
