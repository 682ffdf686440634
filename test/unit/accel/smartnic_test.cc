#include <gmock/gmock.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include "hal/accel/devlink_nic.h"
#include "hal/accel/devlink_settings.h"
#include "hal/net/rdma.h"
#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::Look;
using test::Texts;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kPf = "0000:03:00.0";
constexpr const char* kVf0 = "0000:03:00.0/vf0";
constexpr const char* kUp = "net.up 0000:03:00.0 = up shared";
constexpr const char* kMode = "devlink.eswitch 0000:03:00.0 = switchdev shared";
constexpr const char* kVfs = "sriov.vfs 0000:03:00.0 = vfs=4 autoprobe=1 shared";

AcceleratorPolicy Mode(const std::string& mode,
                       AcceleratorPolicy::Vfs vfs = AcceleratorPolicy::Vfs::kOnDemand) {
  AcceleratorPolicy policy;
  policy.eswitch_mode = mode;
  policy.vfs = vfs;
  return policy;
}

PartRequest Of(std::string part, std::optional<NetworkRequest> network = {}) {
  PartRequest request;
  request.part = std::move(part);
  request.network = std::move(network);
  return request;
}

NetworkRequest AddressAndRate() {
  NetworkRequest network;
  network.vf.mac = "02:00:00:00:00:07";
  network.vf.min_rate = 100;
  network.vf.max_rate = 200;
  return network;
}

class SmartNic : public test::BoardMachine {
 protected:
  SmartNic() { Load("smartnic"); }

  // The mode of the RDMA subsystem, as the kernel tells it.
  void SetRdmaMode(uint8_t mode) {
    machine_->netlink.on_talk =
        [mode](int protocol,
               std::span<const std::byte>) -> std::optional<Result<std::vector<NetlinkMessage>>> {
      if (protocol != NETLINK_RDMA) return std::nullopt;
      struct {
        nlmsghdr header;
        nlattr attribute;
        uint8_t mode, padding[3];
      } answer = {};
      answer.header.nlmsg_len = sizeof answer;
      answer.header.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_SYS_GET);
      answer.attribute = {.nla_len = sizeof(nlattr) + 1,
                          .nla_type = RDMA_NLDEV_SYS_ATTR_NETNS_MODE};
      answer.mode = mode;
      const auto bytes = std::as_bytes(std::span(&answer, 1));
      return std::vector<NetlinkMessage>{{bytes.begin(), bytes.end()}};
    };
  }
  ContainerEdits EditsOf(const Accelerator& nic, const PartRequest& request) {
    const auto edits = nic.Edits(request, machine_->clock.Now() + std::chrono::seconds(5));
    EXPECT_TRUE(edits) << edits.error().what;
    return edits.value_or(ContainerEdits());
  }

  const std::string dir_ = std::string("/sys/bus/pci/devices/") + kPf;
};

TEST_F(SmartNic, IsFoundByVendorAndClass) {
  EXPECT_EQ(Make(kPf)->family(), "smartnic");
  Load("sriov-nic");
  EXPECT_EQ(Make("0000:02:00.0")->family(), "sriov");
}

TEST_F(SmartNic, TellsTheModeOfItsSwitchAndItsRdmaDevice) {
  const Description now = Look(*Make(kPf)).value();
  EXPECT_EQ(now.foreign + now.unusable, "");
  EXPECT_EQ(now.attributes.at("eswitch_mode"), AttributeValue("legacy"));
  EXPECT_EQ(now.attributes.at("rdma_device"), AttributeValue("rocep3s0"));
  EXPECT_EQ(now.attributes.at("rdma_namespaces"), AttributeValue("shared"));
  ASSERT_THAT(now.parts, SizeIs(5));
  EXPECT_EQ(now.parts[1].attributes.at("rdma"), AttributeValue(true));
  const Description wanted = Look(*Make(kPf, Mode("switchdev"))).value();
  EXPECT_EQ(wanted.parts[1].attributes.at("eswitch_mode"), AttributeValue("switchdev"));
  EXPECT_EQ(now.parts[1].attributes.count("eswitch_mode"), 0U) << "it may change at any time";
}

TEST_F(SmartNic, LeavesTheModeAsItIsFoundWithoutAPolicy) {
  const auto nic = Make(kPf);
  EXPECT_THAT(Texts(nic->Plan(Look(*nic).value(), Of("vf0")).value()),
              ElementsAre(kVfs, "pci.driver 0000:03:00.0/vf0 = kernel"));
  ASSERT_TRUE(Set("devlink.eswitch", kPf, "switchdev"));
  EXPECT_THAT(Texts(nic->Plan(Look(*nic).value(), Of("vf0")).value()),
              ElementsAre(kVfs, kUp, "devlink.port 0000:03:00.0/vf0 = representor=up",
                          "pci.driver 0000:03:00.0/vf0 = kernel"));
}

TEST_F(SmartNic, SetsAddressAndRateByRtnetlinkInLegacyMode) {
  const auto nic = Make(kPf, Mode("legacy"));
  const auto plan = nic->Plan(Look(*nic).value(), Of("vf0", AddressAndRate()));
  ASSERT_TRUE(plan) << plan.error().what;
  EXPECT_THAT(Texts(*plan),
              ElementsAre("devlink.eswitch 0000:03:00.0 = legacy shared", kVfs, kUp,
                          "net.vf 0000:03:00.0/vf0 = mac=02:00:00:00:00:07 min_rate=100 "
                          "max_rate=200",
                          "pci.driver 0000:03:00.0/vf0 = kernel"));
}

TEST_F(SmartNic, SetsAddressAndRateByItsSwitchInSwitchdevMode) {
  const auto nic = Make(kPf, Mode("switchdev"));
  const auto plan = nic->Plan(Look(*nic).value(), Of("vf0", AddressAndRate()));
  ASSERT_TRUE(plan) << plan.error().what;
  EXPECT_THAT(Texts(*plan), ElementsAre(kMode, kVfs, kUp,
                                        "devlink.port 0000:03:00.0/vf0 = mac=02:00:00:00:00:07 "
                                        "tx_share=12500000 tx_max=25000000 representor=up",
                                        "pci.driver 0000:03:00.0/vf0 = kernel"));
  EXPECT_EQ((*plan)[3].initially, "mac=00:00:00:00:00:00 tx_share=0 tx_max=0 representor=down");
  ASSERT_TRUE(Apply(*plan));
  EXPECT_EQ(Probe("devlink.port", kVf0),
            "mac=02:00:00:00:00:07 tx_share=12500000 tx_max=25000000 representor=up");
  EXPECT_EQ(machine_->sysfs.Read(dir_ + "/virtfn0/net/enp3s0v0/address").value(),
            "02:00:00:00:00:07");
  EXPECT_EQ(Look(*nic)->parts[1].attributes.at("representor"), AttributeValue("enp3s0npf0vf0"));
}

TEST_F(SmartNic, LetsTheRulesOfTheSwitchSayWhatIsTheirs) {
  const auto nic = Make(kPf, Mode("switchdev"));
  const Description now = Look(*nic).value();
  NetworkRequest network;
  network.vf.vlan = 100;
  const auto refused = nic->Plan(now, Of("vf0", network));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_THAT(refused.error().what, HasSubstr("VLAN of 0000:03:00.0/vf0: in switchdev mode"));
  for (auto set :
       {+[](VfSettings& vf) { vf.trust = true; }, +[](VfSettings& vf) { vf.spoof_check = false; },
        +[](VfSettings& vf) { vf.link_state = VfSettings::LinkState::kEnable; }}) {
    NetworkRequest other;
    set(other.vf);
    EXPECT_FALSE(nic->Plan(now, Of("vf0", other)));
  }
}

TEST_F(SmartNic, TakesTheRefusalOfARateThatNobodyRequires) {
  const auto nic = Make(kPf, Mode("switchdev"));
  NetworkRequest network = AddressAndRate();
  network.advisory_rate = true;
  const auto plan = nic->Plan(Look(*nic).value(), Of("vf0", network)).value();
  ASSERT_THAT(plan, SizeIs(6));
  EXPECT_TRUE(plan[3].advisory);
  EXPECT_EQ(plan[3].value, "tx_share=12500000 tx_max=25000000");
  EXPECT_FALSE(plan[4].advisory);
  EXPECT_EQ(plan[4].value, "mac=02:00:00:00:00:07 representor=up");
}

TEST_F(SmartNic, KeepsAFixedNumberOfVfsInItsMode) {
  const auto nic = Make(kPf, Mode("switchdev", AcceleratorPolicy::Vfs::kFixed));
  EXPECT_THAT(Texts(nic->Standing(Look(*nic).value()).value()), ElementsAre(kMode, kVfs));
  const auto on_demand = Make(kPf, Mode("switchdev"));
  EXPECT_THAT(on_demand->Standing(Look(*on_demand).value()).value(), IsEmpty());
}

TEST_F(SmartNic, NeverChangesTheModeOfVfsThatWereHandedOver) {
  ASSERT_EQ(machine_->kernel.Write(dir_ + "/sriov_numvfs", "2"), 0);
  const auto nic = Make(kPf, Mode("switchdev", AcceleratorPolicy::Vfs::kExisting));
  EXPECT_THAT(Look(*nic)->unusable, HasSubstr("its switch is in legacy mode, the configuration "
                                              "wants switchdev"));
  const auto as_found = Make(kPf, Mode("", AcceleratorPolicy::Vfs::kExisting));
  EXPECT_THAT(Texts(as_found->Plan(Look(*as_found).value(), Of("vf0")).value()),
              Not(Contains(HasSubstr("devlink.eswitch"))));
}

TEST_F(SmartNic, WithoutASwitchOffersItsVfsUnlessThePolicyWantsAMode) {
  Load("smartnic:eswitch=0");
  const Description now = Look(*Make(kPf)).value();
  EXPECT_EQ(now.attributes.count("eswitch_mode"), 0U);
  EXPECT_EQ(now.parts[1].unusable, "");
  const Description wanted = Look(*Make(kPf, Mode("switchdev"))).value();
  EXPECT_EQ(wanted.parts[0].unusable, "");
  EXPECT_THAT(wanted.parts[1].unusable, HasSubstr("wants its switch in switchdev mode: eswitch "
                                                  "mode of pci/0000:03:00.0"));
}

TEST_F(SmartNic, KeepsItsModeWhileItHasVfs) {
  ASSERT_EQ(machine_->kernel.Write(dir_ + "/sriov_numvfs", "2"), 0);
  const auto refused = Set("devlink.eswitch", kPf, "switchdev");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("has 2 virtual functions and 0 sub-functions: its "
                                              "switch can go from legacy to switchdev only "
                                              "without any"));
  EXPECT_TRUE(Set("devlink.eswitch", kPf, "legacy")) << "that it is in";
}

TEST_F(SmartNic, RefusesTargetsAndValuesThatAreNone) {
  EXPECT_EQ(Set("devlink.eswitch", kVf0, "legacy").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.eswitch", kPf, "off").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.port", kPf, "mac=02:00:00:00:00:07").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.port", kVf0, "mac=02").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.port", kVf0, "representor=up").error().code, Code::kGone);
  ASSERT_EQ(machine_->kernel.Write(dir_ + "/sriov_numvfs", "1"), 0);
  const auto legacy = Set("devlink.port", kVf0, "representor=up");
  EXPECT_EQ(legacy.error().code, Code::kGone);
  EXPECT_THAT(legacy.error().what, HasSubstr("it is in legacy mode"));
}

TEST_F(SmartNic, SaysWhyARateIsRefused) {
  ASSERT_TRUE(Set("devlink.eswitch", kPf, "switchdev"));
  ASSERT_EQ(machine_->kernel.Write(dir_ + "/sriov_numvfs", "1"), 0);
  const auto refused = Set("devlink.port", kVf0, "mac=02:00:00:00:00:07 tx_max=12500000000");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("exceed link maximum speed"));
  const Setting& port = Find("devlink.port");
  const std::string now = Probe("devlink.port", kVf0);
  EXPECT_TRUE(port.Between(now, "mac=00:00:00:00:00:00 tx_max=0",
                           "mac=02:00:00:00:00:07 tx_max=12500000000"));
  EXPECT_FALSE(
      port.Between(now, "mac=02:00:00:00:00:01 tx_max=0", "mac=02:00:00:00:00:02 tx_max=5"));
}

TEST_F(SmartNic, GivesAContainerTheRdmaDeviceOfItsVf) {
  machine_->kernel.SetNode({.path = "/dev/infiniband/rdma_cm", .major = 10, .minor = 122});
  const auto nic = Make(kPf);
  ASSERT_TRUE(Apply(nic->Plan(Look(*nic).value(), Of("vf1")).value()));
  const ContainerEdits edits = EditsOf(*nic, Of("vf1"));
  EXPECT_THAT(edits.device_nodes,
              ElementsAre("/dev/infiniband/uverbs11", "/dev/infiniband/rdma_cm"));
  EXPECT_EQ(edits.environment.at("DRAPCI_RDMA_PCI_0000_03_00_0_VF1"), "rocep3s0v1");
  EXPECT_EQ(edits.environment.at("DRAPCI_NETDEV_PCI_0000_03_00_0_VF1"), "enp3s0v1");
}

TEST_F(SmartNic, KeepsRdmaOutOfContainersThatCouldNotSeeIt) {
  machine_->kernel.SetNode({.path = "/dev/infiniband/rdma_cm", .major = 10, .minor = 122});
  SetRdmaMode(0);
  EXPECT_EQ(ReadRdmaNamespaces(machine_->netlink).value(), RdmaNamespaces::kExclusive);
  const auto nic = Make(kPf);
  const Description now = Look(*nic).value();
  EXPECT_EQ(now.attributes.at("rdma_namespaces"), AttributeValue("exclusive"));
  EXPECT_EQ(now.parts[1].attributes.at("rdma"), AttributeValue(false));
  ASSERT_TRUE(Apply(nic->Plan(now, Of("vf1")).value()));
  const ContainerEdits edits = EditsOf(*nic, Of("vf1"));
  EXPECT_THAT(edits.device_nodes, IsEmpty());
  EXPECT_EQ(edits.environment.count("DRAPCI_RDMA_PCI_0000_03_00_0_VF1"), 0U);
  EXPECT_EQ(edits.environment.count("DRAPCI_NETDEV_PCI_0000_03_00_0_VF1"), 1U);
  SetRdmaMode(1);
  EXPECT_EQ(ReadRdmaNamespaces(machine_->netlink).value(), RdmaNamespaces::kShared);
  EXPECT_THAT(EditsOf(*nic, Of("vf1")).device_nodes, SizeIs(2));
}

TEST_F(SmartNic, KeepsRepresentorsAtHome) {
  ASSERT_TRUE(Set("devlink.eswitch", kPf, "switchdev"));
  ASSERT_EQ(machine_->kernel.Write(dir_ + "/sriov_numvfs", "2"), 0);
  const auto nic = Make(kPf, Mode("", AcceleratorPolicy::Vfs::kExisting));
  EXPECT_EQ(EditsOf(*nic, Of("")).environment.at("DRAPCI_NETDEV_PCI_0000_03_00_0"), "enp3s0np0");
}

TEST(PortStateTest, HasOneSpelling) {
  for (const char* text : {"", "mac=02:00:00:00:00:07", "tx_share=0 tx_max=25000000",
                           "mac=02:00:00:00:00:07 tx_max=1 representor=down"}) {
    const auto state = PortState::Parse(text);
    ASSERT_TRUE(state) << text;
    EXPECT_EQ(state->ToString(), text);
  }
  for (const char* text : {" ", "mac=", "mac=02", "tx_max=1 mac=02:00:00:00:00:07", "tx_max=01",
                           "tx_max=-1", "tx_max=1 tx_max=1", "representor=on", "vlan=1", "up"}) {
    EXPECT_FALSE(PortState::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace drapci::hal
