// What a claim's devices are answered as, and what of a claim's configuration reaches which of them
// (contract section 10.2).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "test/node/cluster/cluster_fixture.h"
#include "test/node/cluster/kubelet.h"

namespace drapci::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// With device metadata, so that a device has more than one CDI id.
class Answers : public ClusterNode {
 protected:
  Answers() : ClusterNode("", "deviceMetadata: true") {}
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Published());
    kubelet_.emplace(scratch_.kubelet_root);
  }
  void TearDown() override {
    kubelet_.reset();
    ClusterNode::TearDown();
  }
  // A request of `count` VFs.
  static Json Vfs(const std::string& request, int count = 1) {
    return {{"name", request},
            {"driver", "dra.pci"},
            {"attributes", {{"type", "vf"}}},
            {"count", count}};
  }
  static std::vector<std::string> RequestsOf(const Kubelet::Devices& answer) {
    std::vector<std::string> requests;
    for (const auto& device : answer.devices()) {
      EXPECT_EQ(device.request_names_size(), 1);
      requests.push_back(device.request_names(0));
    }
    return requests;
  }
  // The driver of the VF that the answer's device `index` is.
  std::string DriverOf(const Kubelet::Devices& answer, int index) const {
    const std::string& name = answer.devices(index).device_name();
    const int vf = std::stoi(name.substr(name.find("-vf") + 3));
    return ReadHardware().at(fmt::format("0000:02:10.{} driver", 2 * vf));
  }
  // What a container gets by the device's CDI ids of the claim's own file.
  Json EditsOf(const ClaimObject& claim, const Kubelet::Devices& answer, int index) const {
    std::ostringstream text;
    text << std::ifstream(fmt::format("{}/dra.pci-claim-{}.json", scratch_.cdi_dir, claim.uid))
                .rdbuf();
    const Json spec = Json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
    for (const Json& device : spec.value("devices", Json::array())) {
      const std::string id = fmt::format("{}={}", spec.value("kind", ""), device.value("name", ""));
      for (const auto& named : answer.devices(index).cdi_device_ids()) {
        if (named == id) return device.at("containerEdits");
      }
    }
    ADD_FAILURE() << "no edits for device " << index << " in " << text.str();
    return {};
  }

  std::optional<Kubelet> kubelet_;
};

// Contract 10.2 case 10.
TEST_F(Answers, HaveTheConfigurationOfTheirRequestAndOfTheSubrequestThatWasChosen) {
  const auto with = [](Json config, const std::string& request) {
    config[0]["requests"] = {request};
    return config[0];
  };
  const Json config =
      Json::array({with(Opaque("AccessConfig", {{"driver", "vfio"}}, "FromClass"), "nic/fast"),
                   with(Opaque("AccessConfig", {{"driver", "kernel"}}, "FromClass"), "nic/slow"),
                   with(Opaque("NetworkConfig", {{"interface", "data0"}}, "FromClass"), "plain"),
                   with(Opaque("NetworkConfig", {{"mtu", 1400}}, "FromClaim"), "plain")});
  const ClaimObject claim =
      Allocated("c", Json::array({Vfs("nic/fast", 2), Vfs("plain"), Vfs("bare")}), config);
  const Kubelet::Devices answer = kubelet_->Prepare(claim);
  ASSERT_EQ(answer.error(), "");
  ASSERT_THAT(RequestsOf(answer), ElementsAre("nic", "nic", "plain", "bare"));
  EXPECT_EQ(DriverOf(answer, 0), "vfio-pci");
  EXPECT_EQ(DriverOf(answer, 1), "vfio-pci");
  EXPECT_EQ(DriverOf(answer, 2), "igbvf");
  EXPECT_EQ(DriverOf(answer, 3), "igbvf");
  EXPECT_THAT(EditsOf(claim, answer, 0).dump(), HasSubstr("/dev/vfio/"));
  EXPECT_THAT(EditsOf(claim, answer, 1).dump(), HasSubstr("/dev/vfio/"));
  const std::string plain = EditsOf(claim, answer, 2).dump();
  EXPECT_THAT(plain, HasSubstr("data0"));  // of the class
  EXPECT_THAT(plain, HasSubstr("1400"));   // of the claim
  EXPECT_THAT(EditsOf(claim, answer, 3).dump(), Not(HasSubstr("data0")));
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
}

// Contract 10.2 case 15: one to three resources for each of three containers, and one container
// with a request for zero, which the scheduler leaves out.
TEST_F(Answers, OfExtendedResourcesGoByContainerAndRequest) {
  const Json requests =
      Json::array({Vfs("container-0-request-0"), Vfs("container-1-request-0", 3),
                   Vfs("container-3-request-0"), Vfs("container-3-request-1", 2)});
  const auto made = api_.Post(
      "/allocate", {{"namespace", "default"},
                    {"name", "pod-extended-resources-x7x"},
                    {"node", "node-1"},
                    {"requests", requests},
                    {"annotations", {{"resource.kubernetes.io/extended-resource-claim", "true"}}}});
  ASSERT_TRUE(made) << made.error().what;
  const ClaimObject claim{.uid = made->at("metadata").at("uid").get<std::string>(),
                          .name = "pod-extended-resources-x7x"};
  const Kubelet::Devices answer = kubelet_->Prepare(claim);
  ASSERT_EQ(answer.error(), "");
  EXPECT_THAT(RequestsOf(answer),
              ElementsAre("container-0-request-0", "container-1-request-0", "container-1-request-0",
                          "container-1-request-0", "container-3-request-0", "container-3-request-1",
                          "container-3-request-1"));
  std::set<std::string> devices;
  for (const auto& device : answer.devices()) devices.insert(device.device_name());
  EXPECT_EQ(devices.size(), 7U);
  ASSERT_TRUE(api_.DeleteClaim(claim.name));  // the pod has completed
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
  EXPECT_EQ(node_.ClaimState(claim.name).value_or("?"), "");
}

// Contract 10.2 case 16.
TEST_F(Answers, HoldEveryClaimOfTheCallAndNoOtherAndEveryDeviceWithItsIds) {
  const ClaimObject other = Allocated("other", Json::array({Vfs("r")}));
  ASSERT_EQ(kubelet_->Prepare(other).error(), "");
  const ClaimObject two = Allocated("two", Json::array({Vfs("both", 2)}));
  const ClaimObject one = Allocated("one", Json::array({Vfs("r")}));
  const ClaimObject missing{.uid = "dddddddd-0000-4000-8000-000000000000", .name = "missing"};
  const auto response = kubelet_->Prepare({two, missing, one});
  EXPECT_THAT(response.claims(),
              UnorderedElementsAre(Key(two.uid), Key(missing.uid), Key(one.uid)));
  const Kubelet::Devices& failed = response.claims().at(missing.uid);
  EXPECT_THAT(failed.error(), HasSubstr("missing"));
  EXPECT_THAT(failed.devices(), IsEmpty());
  const Kubelet::Devices& both = response.claims().at(two.uid);
  EXPECT_EQ(both.error(), "");
  ASSERT_THAT(RequestsOf(both), ElementsAre("both", "both"));
  std::set<std::string> first_ids;  // a device is known by its first id, to health for one
  for (const auto& device : both.devices()) {
    EXPECT_EQ(device.pool_name(), "node-1/" + card());
    EXPECT_FALSE(device.has_share_id());
    EXPECT_EQ(device.cdi_device_ids(0),
              fmt::format("dra.pci/claim={}-{}", device.device_name(), two.uid));
    first_ids.insert(device.cdi_device_ids(0));
  }
  EXPECT_EQ(first_ids.size(), 2U);
  // Metadata is the request's: a container that has it gets the mount once.
  ASSERT_THAT(both.devices(0).cdi_device_ids(), SizeIs(2));
  EXPECT_EQ(both.devices(0).cdi_device_ids(1), fmt::format("dra.pci/metadata={}_both", two.uid));
  EXPECT_THAT(both.devices(1).cdi_device_ids(), SizeIs(1));
  EXPECT_THAT(kubelet_->Prepare(std::vector<ClaimObject>{}).claims(), IsEmpty());
  for (const ClaimObject& claim : {two, missing, one, other}) {
    EXPECT_EQ(kubelet_->Unprepare(claim), "");
  }
}

}  // namespace
}  // namespace drapci::test
