// What a claim's status tells, files of device metadata, and claims that need no GET (contract
// sections 5.7, 6.4, 8.1 and 10.5).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Status : public ClusterNode {
 protected:
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Settled());
  }
};

TEST_F(Status, TellsTheInterfaceOfANetworkDevice) {
  const ClaimObject claim = Allocated(
      "c", Of(card() + "-vf0"), Opaque("NetworkConfig", {{"interface", "data0"}}, "FromClaim"));
  ASSERT_EQ(Prepare(claim).error, "");
  ASSERT_TRUE(Soon([this] { return Condition("c", "Ready").value("status", "") == "True"; }));
  const Json device = api_.Claim("c")->at("status").at("devices").at(0);
  EXPECT_EQ(device.at("driver"), "dra.pci");
  EXPECT_EQ(device.at("networkData").at("interfaceName"), "data0");
  EXPECT_EQ(Unprepare(claim), "");
}

// Contract 10.2 case 3.
TEST_F(Status, TellsWhyAPrepareFailedAndThenThatItWorked) {
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  Inject({"fault", "*sriov_numvfs", "EIO", "--op", "write", "--count", "-1"});
  EXPECT_NE(Prepare(claim).error, "");
  ASSERT_TRUE(Soon([this] { return Condition("c", "Ready").value("status", "") == "False"; }));
  EXPECT_EQ(Condition("c", "Ready").value("reason", ""), "PrepareFailed");
  EXPECT_THAT(Condition("c", "Ready").value("message", ""), HasSubstr("sriov_numvfs"));
  Inject({"clear"});
  ASSERT_EQ(Prepare(claim).error, "");
  EXPECT_TRUE(Soon([this] { return Condition("c", "Ready").value("status", "") == "True"; }));
  EXPECT_EQ(Unprepare(claim), "");
}

TEST_F(Status, IsNeverInTheWayOfAPrepare) {
  api_.Fault({{"match", {{"method", "PATCH"}}}, {"count", -1}, {"delayMs", 5000}, {"status", 500}});
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  EXPECT_EQ(Prepare(claim, std::chrono::seconds(4)).error, "");
  EXPECT_EQ(Unprepare(claim), "");
  api_.NoFaults();
}

// --- metadata

class Metadata : public ClusterNode {
 protected:
  Metadata() : ClusterNode("", "deviceMetadata: true") {}
};

// Contract 10.5 cases 2 and 8.
TEST_F(Metadata, IsMountedByACdiDeviceOfTheAnswerAndGoneAfterTheUnprepare) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  const Answer answer = Prepare(claim);
  ASSERT_EQ(answer.error, "");
  EXPECT_THAT(answer.cdi_ids, Contains(fmt::format("dra.pci/metadata={}_r", claim.uid)));
  const std::string spec_file =
      fmt::format("{}/dra.pci_metadata_{}_r.json", scratch_.cdi_dir, claim.uid);
  const Json spec = Json::parse(ReadAll(spec_file), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(spec.is_object()) << spec_file;
  EXPECT_EQ(spec.at("kind"), "dra.pci/metadata");
  const Json& mount = spec.at("devices").at(0).at("containerEdits").at("mounts").at(0);
  EXPECT_EQ(mount.at("containerPath"),
            "/var/run/kubernetes.io/dra-device-attributes/resourceclaims/c/r/"
            "dra.pci-metadata.json");
  const auto host_path = mount.at("hostPath").get<std::string>();
  std::istringstream lines(ReadAll(host_path));
  std::string newest;
  std::getline(lines, newest);
  const Json metadata = Json::parse(newest, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(metadata.is_object()) << newest;
  EXPECT_EQ(metadata.at("kind"), "DeviceMetadata");
  EXPECT_EQ(metadata.at("metadata").at("uid"), claim.uid);
  const Json& device = metadata.at("requests").at(0).at("devices").at(0);
  EXPECT_EQ(device.at("name"), card() + "-vf0");
  EXPECT_EQ(device.at("attributes").at("type").at("string"), "vf");

  RestartDaemon();
  EXPECT_EQ(Prepare(claim).cdi_ids, answer.cdi_ids);
  EXPECT_EQ(Unprepare(claim), "");
  EXPECT_FALSE(std::filesystem::exists(spec_file));
  EXPECT_FALSE(std::filesystem::exists(host_path));
  EXPECT_EQ(Unprepare(claim), "");
}

// --- the cache

class Cached : public ClusterNode {
 protected:
  Cached() : ClusterNode("", "watchClaims: true") {}
};

TEST_F(Cached, ClaimsNeedNoGet) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  ASSERT_TRUE(Soon([this] { return api_.Calls("watch resourceclaims") >= 1; }));
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  // Until the watch has told of it.
  EXPECT_TRUE(Soon([&] {
    api_.Reset();
    EXPECT_EQ(Prepare(claim).error, "");
    const int reads = api_.Calls("get resourceclaims");
    EXPECT_EQ(Unprepare(claim), "");
    return reads == 0;
  }));
}

}  // namespace
}  // namespace drapci::test
