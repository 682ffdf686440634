#include "plugin/claims/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/claims/claims.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

json Body(const std::vector<DeviceStatus>& devices) {
  return json::parse(ApplyBody("dra.pci", Request(), devices, kStart));
}

driver::ClaimRecord NetworkRecord() {
  driver::ClaimRecord record = Record();
  driver::PreparedDevice& device = record.answer.devices[0];
  device.request.share_id = kOtherUid;
  device.request.share = {{"bandwidth", 200'000'000}};
  device.interfaces = {{.address = "0000:02:10.0",
                        .host_name = "enp2s16",
                        .mac = "02:11:22:33:44:55",
                        .name = "net1",
                        .mtu = {},
                        .addresses = {"10.0.0.2/24", "fd00::2/64"}}};
  return record;
}

TEST(StatusTest, TellsThatAPreparedDeviceIsReadyAndWhereItIs) {
  const json body = Body(StatusOf(Record()));
  EXPECT_EQ(body["metadata"],
            (json{{"namespace", "default"}, {"name", "my-claim"}, {"uid", kUid}}));
  ASSERT_THAT(body["status"]["devices"], SizeIs(1));
  EXPECT_EQ(body["status"]["devices"][0], json::parse(R"({
      "driver": "dra.pci", "pool": "node1-pci-0000-02-00-0", "device": "pci-0000-02-00-0-vf0",
      "conditions": [{"type": "Ready", "status": "True", "reason": "Prepared", "message": "",
                      "lastTransitionTime": "2027-01-15T08:00:00Z"}],
      "data": {"pciAddress": "0000:02:10.0", "part": "vf0"}})"));
}

TEST(StatusTest, TellsTheShareAndTheInterfaceOfANetworkDevice) {
  const json entry = Body(StatusOf(NetworkRecord()))["status"]["devices"][0];
  EXPECT_EQ(entry["shareID"], kOtherUid);
  EXPECT_EQ(entry["data"]["shares"], (json{{"bandwidth", 200'000'000}}));
  EXPECT_EQ(entry["networkData"], json::parse(R"({
      "interfaceName": "net1", "hardwareAddress": "02:11:22:33:44:55",
      "ips": ["10.0.0.2/24", "fd00::2/64"]})"));
}

TEST(StatusTest, KeepsTheTimeOfThePrepareAcrossRestarts) {
  driver::ClaimRecord record = Record();
  record.prepared_at -= 3600;
  const json body =
      json::parse(ApplyBody("dra.pci", Request(), StatusOf(record), "2030-01-01T00:00:00Z"));
  EXPECT_EQ(body["status"]["devices"][0]["conditions"][0]["lastTransitionTime"],
            "2027-01-15T07:00:00Z");
}

TEST(StatusTest, TellsWhyADeviceIsUnusable) {
  driver::ClaimRecord record = Record();
  record.trouble = "its card was pulled";
  const json condition = Body(StatusOf(record))["status"]["devices"][0]["conditions"][0];
  EXPECT_EQ(condition["status"], "False");
  EXPECT_EQ(condition["reason"], "Unusable");
  EXPECT_EQ(condition["message"], "its card was pulled");
}

TEST(StatusTest, TellsWhyAPrepareFailed) {
  const Error error{.code = Code::kBusy, .sys = EBUSY, .what = "sriov_numvfs: EBUSY\nin use"};
  const json entry = Body(StatusOfFailure(Request(), error))["status"]["devices"][0];
  EXPECT_EQ(entry["conditions"][0]["reason"], "PrepareFailed");
  EXPECT_EQ(entry["conditions"][0]["message"], "sriov_numvfs: EBUSY in use");
  EXPECT_EQ(entry["conditions"][0]["lastTransitionTime"], kStart);
}

TEST(StatusTest, StaysWithinTheLimitsOfTheApi) {  // contract 5.7
  DeviceStatus device;
  device.pool = "p";
  device.device = "d";
  for (int i = 0; i < 20; ++i) {
    device.conditions.push_back({.type = "t" + std::to_string(i),
                                 .status = "True",
                                 .reason = std::string(5000, 'r'),
                                 .message = std::string(50'000, '\xff')});
  }
  device.conditions.push_back(device.conditions[0]);
  device.data = json{{"long", std::string(20'000, 'x')}}.dump();
  device.interface_name = std::string(1000, 'n');
  device.mac = std::string(1000, 'm');
  for (int i = 0; i < 40; ++i) device.addresses.push_back("10.0.0." + std::to_string(i / 2) + "/8");
  const json body = Body({device, device});
  ASSERT_THAT(body["status"]["devices"], SizeIs(1));
  const json& entry = body["status"]["devices"][0];
  EXPECT_THAT(entry["conditions"], SizeIs(8));
  EXPECT_EQ(entry["conditions"][0]["reason"].get<std::string>().size(), 1024u);
  EXPECT_LE(entry["conditions"][0]["message"].get<std::string>().size(), 32'768u);
  EXPECT_FALSE(entry.contains("data"));
  EXPECT_LE(entry["networkData"]["interfaceName"].get<std::string>().size(), 256u);
  EXPECT_LE(entry["networkData"]["hardwareAddress"].get<std::string>().size(), 128u);
  EXPECT_THAT(entry["networkData"]["ips"], SizeIs(16));
  EXPECT_EQ(entry["networkData"]["ips"][1], "10.0.0.1/8");
}

TEST(StatusTest, LeavesOutDataThatIsNoObject) {
  DeviceStatus device;
  device.data = "[1";
  EXPECT_FALSE(Body({device})["status"]["devices"][0].contains("data"));
}

TEST(StatusTest, MakesOneWordOfACode) {
  EXPECT_EQ(ReasonOf(Code::kNotFound), "NotFound");
  EXPECT_EQ(ReasonOf(Code::kBusy), "Busy");
}

}  // namespace
}  // namespace drapci::plugin::claims
