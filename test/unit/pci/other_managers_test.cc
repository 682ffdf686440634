#include "hal/pci/other_managers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kCdiDir = "/var/run/cdi";
constexpr const char* kClaim = "e2c7e6a0-7d0e-4a51-8a4b-0c6a3f0f5a11";

class OtherManagersTest : public testing::Test {
 protected:
  OtherManagersTest() {
    sim::FunctionSpec disk = sim::Nvme("0000:03:00.0");
    EXPECT_TRUE(machine_.kernel.AddFunction(std::move(disk)));
    EXPECT_TRUE(machine_.kernel.AddFunction(sim::SriovNic("0000:02:00.0", 4)));
  }

  void Spec(const std::string& name, const std::string& text) {
    machine_.kernel.SetFile(std::string(kCdiDir) + "/" + name, text);
  }
  std::map<PciAddress, std::string> Managers() {
    return OtherManagers(machine_.sysfs, machine_.scanner.Scan().value(), kCdiDir,
                         [](std::string_view name) { return name.starts_with("dra.pci-"); });
  }

  sim::FakeHost machine_;
};

TEST_F(OtherManagersTest, AreNoneWhereNobodyHasLeftATrace) { EXPECT_THAT(Managers(), IsEmpty()); }

TEST_F(OtherManagersTest, IncludeTheOperatorThatKeepsWhatItHasAppliedToAPf) {
  machine_.kernel.SetFile("/etc/sriov-operator/pci/0000:02:00.0", "{}");
  const auto managers = Managers();
  ASSERT_EQ(managers.size(), 1);
  EXPECT_THAT(managers.at(At("0000:02:00.0")), HasSubstr("sriov-network-operator"));
}

TEST_F(OtherManagersTest, IncludeADriverThatHasGivenANodeOfTheCardToAClaim) {
  Spec(std::string("k8s.other.example-claim_") + kClaim + ".yaml",
       "kind: k8s.other.example/claim\ndevices:\n- containerEdits:\n    deviceNodes:\n"
       "    - path: /dev/nvme0\n");
  EXPECT_THAT(Managers().at(At("0000:03:00.0")), HasSubstr("another driver has given /dev/nvme0"));
}

TEST_F(OtherManagersTest, AreNotWeOurselves) {
  Spec(std::string("dra.pci-") + kClaim + ".json", R"({"path": "/dev/nvme0"})");
  EXPECT_THAT(Managers(), IsEmpty());
}

TEST_F(OtherManagersTest, AreNotThoseWhoOnlySayHowADeviceIsGiven) {
  Spec("nvidia.yaml", "    - path: /dev/nvme0\n");
  EXPECT_THAT(Managers(), IsEmpty());
}

TEST_F(OtherManagersTest, AreNotThoseOfANodeWhoseNameOnlyBeginsLikeOneOfTheCard) {
  Spec(std::string("other_") + kClaim + ".json", R"({"path": "/dev/nvme01"})");
  EXPECT_THAT(Managers(), IsEmpty());
}

}  // namespace
}  // namespace drapci::hal
