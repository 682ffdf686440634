// The examples that drapci comes with, read as a user would have them read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/claim_input.h"
#include "plugin/text.h"
#include "plugin/yaml_json.h"

namespace drapci::plugin {
namespace {

using testing::ElementsAre;
using testing::Pair;

// The only device of the claim in this file.
driver::DeviceRequest Example(const std::string& name) {
  const auto yaml = ReadFile(std::string(DRAPCI_EXAMPLES "/") + name, 1 << 20);
  EXPECT_TRUE(yaml) << yaml.error().what;
  const auto json = YamlToJson(yaml.value_or(""));
  EXPECT_TRUE(json) << json.error().what;
  const auto claim = ClaimFromJson(json.value_or(""), "dra.pci");
  EXPECT_TRUE(claim) << claim.error().what;
  EXPECT_TRUE(claim && claim->devices.size() == 1);
  return claim && claim->devices.size() == 1 ? claim->devices[0] : driver::DeviceRequest();
}

TEST(Examples, HandOutAVirtualFunctionEitherWay) {
  EXPECT_EQ(Example("claim-vf-kernel.yaml").access, hal::Access::kKernel);
  EXPECT_EQ(Example("claim-vf-vfio.yaml").access, hal::Access::kVfio);
}

TEST(Examples, TakeAShareOfANic) {
  const auto device = Example("claim-share.yaml");
  EXPECT_EQ(device.share_id, "a671734a-e8e5-41e4-8fde-42010af09327");
  EXPECT_THAT(device.share, ElementsAre(Pair("bandwidth", 200'000'000), Pair("vfs", 1)));
}

TEST(Examples, TakeAQueueAndAShareOfAQueue) {
  const auto yaml = ReadFile(DRAPCI_EXAMPLES "/idxd.yaml", 1 << 20);
  const auto json = YamlToJson(yaml.value_or(""));
  const auto claim = ClaimFromJson(json.value_or(""), "dra.pci");
  ASSERT_TRUE(claim) << claim.error().what;
  ASSERT_EQ(claim->devices.size(), 2u);
  EXPECT_EQ(claim->devices[0].device, "pci-0000-6a-01-0-wq0");
  EXPECT_THAT(claim->devices[1].share, ElementsAre(Pair("entries", 4)));
  EXPECT_EQ(Example("qat.yaml").access, hal::Access::kVfio);
}

TEST(Examples, TakeAPartitionOfAGpu) {
  EXPECT_EQ(Example("nvidia.yaml").device, "pci-0000-1b-00-0-1g-10gb-6");
}

TEST(Examples, ProgramASlot) {
  const auto image = Example("dfl.yaml").image;
  ASSERT_TRUE(image);
  EXPECT_EQ(image->name, "sort.gbs");
}

TEST(Examples, SetAddressAndRatesOfAVfAtItsSwitch) {
  const auto network = Example("smartnic.yaml").network;
  ASSERT_TRUE(network);
  EXPECT_EQ(network->vf.mac, "02:00:00:00:00:31");
  EXPECT_EQ(network->vf.min_rate, 1000);
  EXPECT_EQ(network->vf.max_rate, 5000);
}

TEST(Examples, MakeASubFunction) {
  const auto device = Example("smartnic-sf.yaml");
  EXPECT_EQ(device.device, "pci-0000-03-00-0-sf0");
  ASSERT_TRUE(device.network);
  EXPECT_EQ(device.network->vf.mac, "02:00:00:00:00:32");
}

TEST(Examples, NameAndAddressAnInterface) {
  const auto network = Example("claim-vf-network.yaml").network;
  ASSERT_TRUE(network);
  EXPECT_EQ(network->interface, "net1");
  EXPECT_THAT(network->addresses, ElementsAre("10.0.0.2/24"));
  EXPECT_EQ(network->mtu, 1500);
  EXPECT_EQ(network->vf.max_rate, 1000);
}

}  // namespace
}  // namespace drapci::plugin
