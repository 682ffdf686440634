// Sub-functions of a network card with an embedded switch.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "hal/accel/devlink_nic.h"
#include "hal/accel/devlink_sf.h"
#include "hal/accel/net_settings.h"
#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::Look;
using test::Texts;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kPf = "0000:03:00.0";
constexpr const char* kSf1 = "0000:03:00.0/sf1";
constexpr const char* kMac = "02:00:00:00:00:07";
const std::string kOfSf1 = "active mac=02:00:00:00:00:07";

AcceleratorPolicy WithSfs(int count) {
  AcceleratorPolicy policy;
  policy.eswitch_mode = "switchdev";
  policy.sub_functions = count;
  return policy;
}

PartRequest Of(std::string part, std::optional<NetworkRequest> network = {}) {
  PartRequest request;
  request.part = std::move(part);
  request.network = std::move(network);
  return request;
}

const Part& PartOf(const Description& now, std::string_view name) {
  static const Part kNobody;
  const auto found = std::ranges::find(now.parts, name, &Part::name);
  EXPECT_NE(found, now.parts.end()) << name;
  return found == now.parts.end() ? kNobody : *found;
}

class SubFunctions : public test::BoardMachine {
 protected:
  SubFunctions() { Load("smartnic"); }

  Devlink Open() { return *Devlink::Open(machine_->netlink); }
  // By somebody else's hand.
  uint32_t AddPort(uint32_t number) {
    const auto port = Open().AddSubFunction(device_, 0, number);
    EXPECT_TRUE(port) << port.error().what;
    return port ? port->index : 0;
  }
  size_t Ports() { return Open().Ports(device_)->size(); }
  void Switch() { ASSERT_TRUE(Set("devlink.eswitch", kPf, "switchdev")); }

  const DevlinkDevice device_ = DevlinkDevice::Of(test::At(kPf));
  const std::string dir_ = std::string("/sys/bus/pci/devices/") + kPf;
};

TEST_F(SubFunctions, ArePartsWhereThePolicySaysHowMany) {
  const Description now = Look(*Make(kPf, WithSfs(3))).value();
  ASSERT_THAT(now.parts, SizeIs(1 + 4 + 3));
  EXPECT_THAT(now.counters, Contains(Pair("sfs", 3)));
  EXPECT_THAT(now.parts[0].consumes, Contains(Pair("sfs", 3))) << "the whole excludes them";
  const Part& sf = PartOf(now, "sf2");
  EXPECT_EQ(sf.profile, "sf");
  EXPECT_EQ(sf.unusable, "");
  EXPECT_THAT(sf.consumes, ElementsAre(Pair("sfs", 1)));
  EXPECT_EQ(sf.attributes.at("pf"), AttributeValue(kPf));
  EXPECT_EQ(sf.attributes.at("sfnum"), AttributeValue(int64_t{502}));
  EXPECT_EQ(sf.attributes.at("eswitch_mode"), AttributeValue("switchdev"));
  EXPECT_EQ(sf.attributes.at("rdma"), AttributeValue(true));
  AcceleratorPolicy as_found;
  as_found.sub_functions = 3;
  EXPECT_THAT(Look(*Make(kPf, as_found))->parts, SizeIs(5)) << "without a mode there are none";
  EXPECT_EQ(Look(*Make(kPf, AcceleratorPolicy()))->counters.count("sfs"), 0U);
}

TEST_F(SubFunctions, ThatClaimsHoldAreListedWhateverThePolicySaysNow) {
  const std::set<std::string> ours{std::string("devlink.sf ") + kSf1, "devlink.sf nonsense"};
  const auto now = Make(kPf, {})->Describe(ours, Accelerator::Detail::kBrief);
  ASSERT_TRUE(now);
  EXPECT_THAT(now->parts, SizeIs(1 + 4 + 2));
}

TEST_F(SubFunctions, NeedASwitchAndADriver) {
  Load("smartnic:eswitch=0");
  EXPECT_THAT(PartOf(Look(*Make(kPf, WithSfs(1))).value(), "sf0").unusable,
              HasSubstr("wants its switch in switchdev mode"));
}

TEST_F(SubFunctions, ArePlannedWithTheModeTheirAddressAndTheirRates) {
  const auto nic = Make(kPf, WithSfs(2));
  NetworkRequest network;
  network.vf.mac = kMac;
  network.vf.max_rate = 200;
  network.mtu = 9000;
  const auto plan = nic->Plan(Look(*nic).value(), Of("sf1", network));
  ASSERT_TRUE(plan) << plan.error().what;
  EXPECT_THAT(Texts(*plan),
              ElementsAre("devlink.eswitch 0000:03:00.0 = switchdev shared",
                          "net.up 0000:03:00.0 = up shared",
                          "devlink.sf 0000:03:00.0/sf1 = active mac=02:00:00:00:00:07",
                          "devlink.port 0000:03:00.0/sf1 = tx_max=25000000 representor=up",
                          "net.interface 0000:03:00.0/sf1 = mtu=9000"));
  EXPECT_EQ((*plan)[2].initially, "none");
  ASSERT_TRUE(Apply({plan->begin(), plan->begin() + 4}));
  ASSERT_TRUE(Set("net.interface", kSf1, "mtu=9000"));
  EXPECT_EQ(Probe("net.interface", kSf1), "name=enp3s0f0s501 mtu=9000");
  EXPECT_EQ(Probe("devlink.sf", kSf1), kOfSf1);
  EXPECT_EQ(Probe("devlink.port", kSf1),
            "mac=02:00:00:00:00:07 tx_share=0 tx_max=25000000 representor=up");
  const Description now =
      nic->Describe({std::string("devlink.sf ") + kSf1}, Accelerator::Detail::kFull).value();
  EXPECT_EQ(PartOf(now, "sf1").unusable, "");
  EXPECT_EQ(PartOf(now, "sf1").attributes.at("representor"), AttributeValue("enp3s0npf0sf501"));
}

TEST_F(SubFunctions, ComeWithTheirInterfaceAndTheirRdmaDevice) {
  machine_->kernel.SetNode({.path = "/dev/infiniband/rdma_cm", .major = 10, .minor = 122});
  const auto nic = Make(kPf, WithSfs(2));
  NetworkRequest network;
  network.interface = "net1";
  const PartRequest request = Of("sf1", network);
  ASSERT_TRUE(Apply(nic->Plan(Look(*nic).value(), request).value()));
  const auto edits = nic->Edits(request, machine_->clock.Now() + std::chrono::seconds(5));
  ASSERT_TRUE(edits) << edits.error().what;
  EXPECT_EQ(edits->address, kPf);
  EXPECT_THAT(edits->device_nodes,
              ElementsAre("/dev/infiniband/uverbs100", "/dev/infiniband/rdma_cm"));
  ASSERT_THAT(edits->interfaces, SizeIs(1));
  EXPECT_EQ(edits->interfaces[0].address, kSf1);
  EXPECT_EQ(edits->interfaces[0].host_name, "enp3s0f0s501");
  EXPECT_EQ(edits->interfaces[0].name, "net1");
  EXPECT_EQ(edits->environment.at("DRAPCI_DEVICE_PCI_0000_03_00_0_SF1"), "mlx5_core.sf.2");
  EXPECT_EQ(edits->environment.at("DRAPCI_RDMA_PCI_0000_03_00_0_SF1"), "rocep3s0s501");
  EXPECT_EQ(edits->environment.at("DRAPCI_NETDEV_PCI_0000_03_00_0_SF1"), "net1");
  EXPECT_EQ(nic->Edits(Of("sf0"), machine_->clock.Now()).error().code, Code::kGone);
}

TEST_F(SubFunctions, AreRefusedWhatTheyCannotHave) {
  const auto nic = Make(kPf, WithSfs(2));
  const Description now = Look(*nic).value();
  PartRequest vfio = Of("sf0");
  vfio.access = Access::kVfio;
  EXPECT_THAT(nic->Plan(now, vfio).error().what, HasSubstr("is no PCI function"));
  NetworkRequest network;
  network.vf.vlan = 100;
  EXPECT_THAT(nic->Plan(now, Of("sf0", network)).error().what,
              HasSubstr("VLAN of 0000:03:00.0/sf0: in switchdev mode"));
  EXPECT_EQ(nic->Plan(now, Of("sf2")).error().code, Code::kNotFound);
}

TEST_F(SubFunctions, OfSomebodyElseAreLeftAlone) {
  Switch();
  AddPort(501);
  const auto nic = Make(kPf, WithSfs(2));
  const Description now = Look(*nic).value();
  EXPECT_EQ(PartOf(now, "sf0").unusable, "");
  EXPECT_THAT(PartOf(now, "sf1").unusable,
              HasSubstr("somebody else has made sub-function 501 of 0000:03:00.0: remove it "
                        "(`devlink port del pci/0000:03:00.0/32768`)"));
  EXPECT_THAT(now.parts[0].unusable, HasSubstr("somebody else has made 1 sub-functions"));
  AddPort(7);
  EXPECT_EQ(PartOf(Look(*nic).value(), "sf0").unusable, "");
}

TEST_F(SubFunctions, AreMadeAndRemovedFromEveryStateInBetween) {
  Switch();
  EXPECT_EQ(Probe("devlink.sf", kSf1), "none");
  ASSERT_TRUE(Set("devlink.sf", kSf1, "none"));
  const std::string others = "02:00:00:00:00:55";
  const auto inactive = [&] { return AddPort(501); };
  const auto addressed = [&](const std::string& mac) {
    const uint32_t port = inactive();
    EXPECT_TRUE(Open().SetHardwareAddress(device_, port, mac));
    return port;
  };
  const auto activated = [&](const std::string& mac) {
    const uint32_t port = addressed(mac);
    EXPECT_TRUE(Open().SetActive(device_, port, true));
    return port;
  };
  const std::vector<std::function<void()>> starts{
      [] {},
      inactive,
      [&] { addressed(kMac); },
      [&] { activated(kMac); },
      [&] { activated(others); },
      [&] {
        activated(others);
        machine_->kernel.RunDeferred();
      },
      [&] {
        const uint32_t port = activated(kMac);
        machine_->kernel.RunDeferred();
        EXPECT_TRUE(Open().SetActive(device_, port, false));
      }};
  for (size_t i = 0; i < starts.size(); ++i) {
    for (const std::string& want : {kOfSf1, std::string("active"), std::string("none")}) {
      SCOPED_TRACE(fmt::format("start {} to {}", i, want));
      starts[i]();
      const auto done = Set("devlink.sf", kSf1, want);
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_TRUE(Find("devlink.sf").Satisfies(Probe("devlink.sf", kSf1), want));
      EXPECT_EQ(machine_->sysfs.Exists(dir_ + "/mlx5_core.sf.2/net"), want != "none");
      ASSERT_TRUE(Set("devlink.sf", kSf1, "none"));
      EXPECT_EQ(Ports(), 1U);
      EXPECT_FALSE(machine_->sysfs.Exists(dir_ + "/mlx5_core.sf.2"));
    }
  }
}

TEST_F(SubFunctions, AreNotSetBeforeTheirDriverHasThem) {
  Switch();
  ASSERT_TRUE(Open().SetActive(device_, AddPort(501), true));
  const std::string attaching = "attaching mac=00:00:00:00:00:00";
  EXPECT_EQ(Probe("devlink.sf", kSf1), attaching);
  EXPECT_FALSE(Find("devlink.sf").Satisfies(attaching, "active"));
  EXPECT_TRUE(Set("devlink.sf", kSf1, "active"));
  Load("smartnic:sf-driver=0");
  Switch();
  const auto late = Set("devlink.sf", kSf1, "active");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kTimeout);
  EXPECT_THAT(late.error().what,
              HasSubstr("sub-function 0000:03:00.0/sf1 was not taken by its driver in time"));
  EXPECT_EQ(Probe("devlink.sf", kSf1), attaching);
  ASSERT_TRUE(Set("devlink.sf", kSf1, "none"));
  EXPECT_EQ(Ports(), 1U);
}

TEST_F(SubFunctions, StayWhileSomebodyHasTheirNodesOpen) {
  Switch();
  ASSERT_TRUE(Set("devlink.sf", kSf1, kOfSf1));
  machine_->kernel.SetLink("/proc/4242/fd/5", "/dev/infiniband/uverbs100");
  machine_->kernel.SetFile("/proc/4242/comm", "perftest\n");
  const auto refused = Set("devlink.sf", kSf1, "none");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("perftest (pid 4242)"));
  EXPECT_EQ(Probe("devlink.sf", kSf1), kOfSf1);
  ASSERT_TRUE(Set("devlink.port", kSf1, "representor=up"));
  EXPECT_EQ(Set("devlink.port", kSf1, "representor=down").error().code, Code::kBusy)
      << "the first step of taking it away";
}

TEST_F(SubFunctions, SayWhyTheyAreRefused) {
  EXPECT_THAT(Set("devlink.sf", kSf1, "active").error().what,
              HasSubstr("only supported in eswitch switchdev mode"));
  EXPECT_EQ(Set("devlink.sf", kPf, "active").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.sf", "0000:03:00.0/vf1", "active").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.sf", kSf1, "on").error().code, Code::kInvalid);
  EXPECT_EQ(Set("devlink.sf", "0000:7f:00.0/sf1", "active").error().code, Code::kGone);
  EXPECT_EQ(Set("devlink.port", kSf1, "representor=up").error().code, Code::kGone);
  EXPECT_EQ(Set("net.interface", kSf1, "any").error().code, Code::kGone);
  Switch();
  for (uint32_t number = 1; number <= 4; ++number) AddPort(number);
  const auto full = Set("devlink.sf", kSf1, "active");
  EXPECT_EQ(full.error().sys, ENOSPC);
  EXPECT_THAT(full.error().what, HasSubstr("its firmware allows no more of them"));
  Load("smartnic:sfs=0");
  Switch();
  EXPECT_THAT(Set("devlink.sf", kSf1, "active").error().what,
              HasSubstr("SF ports are not supported"));
}

TEST_F(SubFunctions, TellTheirOwnTracesFromThoseOfOthers) {
  const Setting& setting = Find("devlink.sf");
  for (const char* now :
       {"none", "inactive mac=00:00:00:00:00:00", "inactive mac=02:00:00:00:00:07",
        "attaching mac=02:00:00:00:00:07", "active mac=02:00:00:00:00:07"}) {
    EXPECT_TRUE(setting.Between(now, "none", kOfSf1)) << now;
  }
  EXPECT_TRUE(setting.Between("active mac=02:00:00:00:00:08", "none", "active"));
  EXPECT_FALSE(setting.Between("active mac=02:00:00:00:00:08", "none", kOfSf1));
  EXPECT_FALSE(setting.Between("on", "none", kOfSf1));
}

TEST(SfStateTest, HasOneSpelling) {
  for (const char* text : {"none", "inactive", "attaching mac=02:00:00:00:00:07", "active"}) {
    const auto state = SfState::Parse(text);
    ASSERT_TRUE(state) << text;
    EXPECT_EQ(state->ToString(), text);
  }
  for (const char* text : {"", "on", "active ", "active mac=", "none mac=02:00:00:00:00:07",
                           "active mac=02", "active  mac=02:00:00:00:00:07", "active mac"}) {
    EXPECT_FALSE(SfState::Parse(text)) << text;
  }
}

TEST(DevicePlaceTest, HasOneSpelling) {
  EXPECT_EQ(DevicePlace::Parse(kSf1), DevicePlace(test::At(kPf), 1));
  EXPECT_EQ(DevicePlace::Parse(kPf), DevicePlace(test::At(kPf)));
  for (const char* text :
       {"", "0000:03:00.0/", "0000:03:00.0/sf", "0000:03:00.0/sf01", "0000:03:00.0/sf-1",
        "0000:03:00.0/sf500", "0000:03:00.0/vf1", "03:00.0/sf1", "0000:03:00.0/sf1/"}) {
    EXPECT_FALSE(DevicePlace::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace drapci::hal
