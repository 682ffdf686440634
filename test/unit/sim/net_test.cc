// Network interfaces of the model, as rtnetlink sees them. The messages are built and read with
// libmnl.
#include <gmock/gmock.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "test/sim/kernel/rtnetlink.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A request put together by libmnl.
class Request {
 public:
  Request(uint16_t type, int index, const char* name = nullptr, uint16_t flags = 0) {
    header_ = mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = type;
    header_->nlmsg_flags = flags;
    info_ = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(header_, sizeof(ifinfomsg)));
    info_->ifi_index = index;
    if (name != nullptr) mnl_attr_put_strz(header_, IFLA_IFNAME, name);
  }
  Request& Up(bool up) {
    info_->ifi_change = IFF_UP;
    info_->ifi_flags = up ? IFF_UP : 0;
    return *this;
  }
  Request& U32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(header_, type, value);
    return *this;
  }
  template <class T>
  Request& Vf(uint16_t type, const T& value) {
    nlattr* list = mnl_attr_nest_start(header_, IFLA_VFINFO_LIST);
    nlattr* one = mnl_attr_nest_start(header_, IFLA_VF_INFO);
    mnl_attr_put(header_, type, sizeof value, &value);
    mnl_attr_nest_end(header_, one);
    mnl_attr_nest_end(header_, list);
    return *this;
  }
  std::span<const std::byte> bytes() const {
    return std::as_bytes(std::span(buffer_)).first(header_->nlmsg_len);
  }

 private:
  std::array<char, 4096> buffer_{};
  nlmsghdr* header_;
  ifinfomsg* info_;
};

std::vector<const nlattr*> Between(const nlattr* attribute, const void* end) {
  std::vector<const nlattr*> found;
  for (; mnl_attr_ok(attribute, static_cast<int>(static_cast<const char*>(end) -
                                                 reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute)) {
    found.push_back(attribute);
  }
  return found;
}
std::vector<const nlattr*> Inside(const nlattr* nest) {
  const auto* begin = static_cast<const nlattr*>(mnl_attr_get_payload(nest));
  return Between(begin, reinterpret_cast<const char*>(nest) + nest->nla_len);
}
// The attributes of a message by type.
std::map<uint16_t, const nlattr*> Attributes(const NetlinkMessage& message) {
  std::map<uint16_t, const nlattr*> found;
  constexpr size_t kHeaders = MNL_NLMSG_HDRLEN + sizeof(ifinfomsg);
  const auto* begin = reinterpret_cast<const nlattr*>(message.data() + kHeaders);
  for (const nlattr* attribute : Between(begin, message.data() + message.size())) {
    found[mnl_attr_get_type(attribute)] = attribute;
  }
  return found;
}

struct Net : Machine {
  int Talk(const Request& request) { return Talk(machine.netlink, request); }
  static int Talk(hal::Netlink& netlink, const Request& request) {
    auto answer = netlink.Talk(NETLINK_ROUTE, request.bytes());
    return answer ? 0 : answer.error().sys;
  }
  std::vector<NetlinkMessage> Get(const Request& request) {
    return machine.netlink.Talk(NETLINK_ROUTE, request.bytes()).value();
  }
  Interface Of(std::string_view address) {
    for (const Interface& net : kernel.Interfaces()) {
      if (net.function == At(address)) return net;
    }
    return {};
  }
  int Pf() { return Of("0000:02:00.0").index; }
  int SetRate(unsigned vf, unsigned low, unsigned high) {
    return Talk(
        Request(RTM_SETLINK, Pf())
            .Vf(IFLA_VF_RATE, ifla_vf_rate{.vf = vf, .min_tx_rate = low, .max_tx_rate = high}));
  }
  VfNet Vf(unsigned index) { return kernel.VfSettings(At("0000:02:00.0")).value().at(index); }
};

TEST_F(Net, RtnetlinkFindsAnInterfaceByNameAndByIndex) {
  const auto by_name = Get(Request(RTM_GETLINK, 0, "enp2s0f0"));
  ASSERT_EQ(by_name.size(), 1U);
  auto attributes = Attributes(by_name[0]);
  EXPECT_STREQ(mnl_attr_get_str(attributes.at(IFLA_IFNAME)), "enp2s0f0");
  EXPECT_STREQ(mnl_attr_get_str(attributes.at(IFLA_PARENT_DEV_NAME)), "0000:02:00.0");
  EXPECT_STREQ(mnl_attr_get_str(attributes.at(IFLA_PARENT_DEV_BUS_NAME)), "pci");
  EXPECT_EQ(mnl_attr_get_u32(attributes.at(IFLA_MTU)), 1500U);
  EXPECT_FALSE(attributes.contains(IFLA_NUM_VF)) << "not asked for";
  EXPECT_EQ(Get(Request(RTM_GETLINK, Pf())), by_name);
  EXPECT_EQ(Talk(Request(RTM_GETLINK, 99)), ENODEV);
  EXPECT_EQ(Talk(Request(RTM_GETLINK, 0)), EINVAL);
}

TEST_F(Net, ADumpHasEveryInterface) {
  ASSERT_EQ(SetVfs("2"), 0);
  EXPECT_EQ(Get(Request(RTM_GETLINK, 0, nullptr, NLM_F_DUMP)).size(), 3U);
}

TEST_F(Net, VfsAreToldWhenAskedFor) {
  ASSERT_EQ(SetVfs("2"), 0);
  ASSERT_EQ(SetRate(1, 0, 200), 0);
  const auto reply =
      Get(Request(RTM_GETLINK, Pf()).U32(IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS));
  auto attributes = Attributes(reply.at(0));
  EXPECT_EQ(mnl_attr_get_u32(attributes.at(IFLA_NUM_VF)), 2U);
  const auto vfs = Inside(attributes.at(IFLA_VFINFO_LIST));
  ASSERT_EQ(vfs.size(), 2U);
  bool told = false;
  for (const nlattr* attribute : Inside(vfs[1])) {
    EXPECT_NE(mnl_attr_get_type(attribute), IFLA_VF_STATS);
    if (mnl_attr_get_type(attribute) != IFLA_VF_RATE) continue;
    const auto* rate = static_cast<const ifla_vf_rate*>(mnl_attr_get_payload(attribute));
    EXPECT_EQ(rate->vf, 1U);
    EXPECT_EQ(rate->max_tx_rate, 200U);
    told = true;
  }
  EXPECT_TRUE(told);
}

TEST_F(Net, AnInterfaceWithoutVfsHasTheirNumberOnly) {
  ASSERT_EQ(SetVfs("1"), 0);
  const auto reply =
      Get(Request(RTM_GETLINK, Of("0000:02:10.0").index).U32(IFLA_EXT_MASK, RTEXT_FILTER_VF));
  auto attributes = Attributes(reply.at(0));
  EXPECT_EQ(mnl_attr_get_u32(attributes.at(IFLA_NUM_VF)), 0U);
  EXPECT_FALSE(attributes.contains(IFLA_VFINFO_LIST));
}

TEST_F(Net, EverySettingOfAVfIsKept) {
  ASSERT_EQ(SetVfs("1"), 0);
  const int pf = Pf();
  ifla_vf_mac mac{.vf = 0, .mac = {2, 0x11, 0x22, 0x33, 0x44, 0x55}};
  EXPECT_EQ(Talk(Request(RTM_SETLINK, pf).Vf(IFLA_VF_MAC, mac)), 0);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, pf).Vf(IFLA_VF_VLAN, ifla_vf_vlan{0, 100, 3})), 0);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, pf).Vf(IFLA_VF_SPOOFCHK, ifla_vf_spoofchk{0, 0})), 0);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, pf).Vf(IFLA_VF_TRUST, ifla_vf_trust{0, 1})), 0);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, pf).Vf(IFLA_VF_TX_RATE, ifla_vf_tx_rate{0, 50})), 0);
  EXPECT_EQ(Vf(0), (VfNet{.mac = "02:11:22:33:44:55",
                          .vlan = 100,
                          .qos = 3,
                          .max_rate = 50,
                          .spoof_check = false,
                          .trust = true}));
  EXPECT_EQ(ShowVf(0, Vf(0)),
            "    vf 0     link/ether 02:11:22:33:44:55 brd ff:ff:ff:ff:ff:ff, vlan 100, qos 3, tx "
            "rate 50 (Mbps), max_tx_rate 50Mbps, spoof checking off, link-state auto, trust on\n");
}

TEST_F(Net, IgbRefusesWhatItCannotDo) {
  ASSERT_EQ(SetVfs("2"), 0);
  const int pf = Pf();
  auto set = [&](uint16_t type, const auto& value) {
    return Talk(Request(RTM_SETLINK, pf).Vf(type, value));
  };
  EXPECT_EQ(SetRate(2, 0, 10), EINVAL) << "there is no third VF";
  EXPECT_EQ(SetRate(0, 5, 10), EINVAL) << "no minimum rate";
  EXPECT_EQ(SetRate(0, 0, 1001), EINVAL) << "faster than the link";
  EXPECT_EQ(SetRate(0, 0, 1000), 0);
  EXPECT_EQ(set(IFLA_VF_LINK_STATE, ifla_vf_link_state{0, 1}), EOPNOTSUPP);
  EXPECT_EQ(set(IFLA_VF_RSS_QUERY_EN, ifla_vf_rss_query_en{0, 1}), EOPNOTSUPP);
  EXPECT_EQ(set(IFLA_VF_MAC, ifla_vf_mac{.vf = 0, .mac = {1}}), EINVAL) << "multicast";
  EXPECT_EQ(set(IFLA_VF_VLAN, ifla_vf_vlan{0, 4096, 0}), EINVAL);
  EXPECT_EQ(set(IFLA_VF_VLAN, ifla_vf_vlan{0, 1, 8}), EINVAL);
  EXPECT_EQ(set(IFLA_VF_TRUST, uint16_t{0}), ERANGE) << "too short";
}

TEST_F(Net, IgbTakesRatesOnlyWithACarrier) {
  ASSERT_EQ(SetVfs("1"), 0);
  ASSERT_EQ(Talk(Request(RTM_SETLINK, Pf()).Up(false)), 0);
  EXPECT_EQ(SetRate(0, 0, 10), EINVAL);
  ASSERT_EQ(Talk(Request(RTM_SETLINK, Pf()).Up(true)), 0);
  EXPECT_EQ(SetRate(0, 0, 10), 0);
  ASSERT_TRUE(kernel.SetCarrier(At("0000:02:00.0"), false));
  EXPECT_EQ(SetRate(0, 0, 20), EINVAL);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0/carrier"), "0");
}

TEST_F(Net, ACapableCardTakesMinimumRatesLinkStatesAndServiceVlans) {
  FunctionSpec card = SriovNic("0000:03:00.0");
  card.driver = "ice";
  card.device = 0x1592;
  card.sriov->vf_rules = VfRules::kIce;
  ASSERT_TRUE(kernel.AddFunction(card));
  ASSERT_EQ(Write("/sys/bus/pci/devices/0000:03:00.0/sriov_numvfs", "1"), 0);
  const int pf = Of("0000:03:00.0").index;
  auto set = [&](uint16_t type, const auto& value) {
    return Talk(Request(RTM_SETLINK, pf).Vf(type, value));
  };
  EXPECT_EQ(set(IFLA_VF_RATE, ifla_vf_rate{0, 100, 20'000}), 0);
  EXPECT_EQ(set(IFLA_VF_RATE, ifla_vf_rate{0, 200, 100}), EINVAL);
  EXPECT_EQ(set(IFLA_VF_LINK_STATE, ifla_vf_link_state{0, IFLA_VF_LINK_STATE_DISABLE}), 0);
  EXPECT_EQ(set(IFLA_VF_TX_RATE, ifla_vf_tx_rate{0, 30'000}), EINVAL);
  EXPECT_EQ(kernel.SetVf(card.address, 0, {VfChange::Part::kVlan, {.vlan_protocol = 0x88a8}}), 0);
  const VfNet vf = kernel.VfSettings(card.address).value().at(0);
  EXPECT_EQ(vf.min_rate, 100U);
  EXPECT_THAT(ShowVf(0, vf), HasSubstr("min_tx_rate 100Mbps"));
  EXPECT_THAT(ShowVf(0, vf), HasSubstr("vlan protocol 802.1ad"));
  EXPECT_THAT(ShowVf(0, vf), HasSubstr("link-state disable"));
}

TEST_F(Net, SettingsLiveAsLongAsTheVfsAndOutliveTheirDriver) {
  ASSERT_EQ(SetVfs("1"), 0);
  ASSERT_EQ(SetRate(0, 0, 200), 0);
  ASSERT_EQ(Write(kDrivers + "/igbvf/unbind", "0000:02:10.0"), 0);
  EXPECT_EQ(Vf(0).max_rate, 200U);
  ASSERT_EQ(SetVfs("0"), 0);
  EXPECT_THAT(kernel.VfSettings(At("0000:02:00.0")).value(), IsEmpty());
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_EQ(Vf(0), VfNet());
}

TEST_F(Net, AVfTakesTheAddressThatItsPfHasForItWhenItsDriverStarts) {
  ASSERT_EQ(SetVfs("1"), 0);
  VfChange mac{VfChange::Part::kMac, {.mac = "02:11:22:33:44:55"}};
  ASSERT_EQ(kernel.SetVf(At("0000:02:00.0"), 0, mac), 0);
  EXPECT_NE(Of("0000:02:10.0").mac, "02:11:22:33:44:55");
  ASSERT_EQ(Write(kDrivers + "/igbvf/unbind", "0000:02:10.0"), 0);
  ASSERT_EQ(Write(kDrivers + "/igbvf/bind", "0000:02:10.0"), 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0v0/address"), "02:11:22:33:44:55");
}

TEST_F(Net, FaultsAndTheLogKnowEverySetting) {
  ASSERT_EQ(SetVfs("4"), 0);
  kernel.ResetWrites();
  kernel.faults().FailWrite("/net/0000:02:00.0/vf3/rate", EBUSY);
  EXPECT_EQ(SetRate(3, 0, 200), EBUSY);
  EXPECT_EQ(SetRate(3, 0, 200), 0);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, Pf()).U32(IFLA_MTU, 9000)), 0);
  EXPECT_THAT(kernel.Writes(),
              ElementsAre(WriteRecord{"/net/0000:02:00.0/vf3/rate", "0 200", EBUSY},
                          WriteRecord{"/net/0000:02:00.0/vf3/rate", "0 200", 0},
                          WriteRecord{"/net/0000:02:00.0/mtu", "9000", 0}));
}

TEST_F(Net, ARenamedInterfaceHasItsNewNameEverywhere) {
  ASSERT_EQ(SetVfs("1"), 0);
  NewEvents();
  const int index = Of("0000:02:10.0").index;
  EXPECT_EQ(Talk(Request(RTM_SETLINK, index, "eth7")), 0);
  EXPECT_FALSE(Exists("/sys/class/net/enp2s0f0v0"));
  EXPECT_TRUE(Exists(kVf + "/net/eth7"));
  EXPECT_EQ(Read("/sys/class/net/eth7/ifindex"), std::to_string(index));
  EXPECT_THAT(NewEvents(), ElementsAre("move net eth7"));
  EXPECT_EQ(Talk(Request(RTM_SETLINK, index, "enp2s0f0")), EEXIST);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, index, "a/b")), EINVAL);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, Pf(), "eth8")), EBUSY) << "it is up";
}

TEST_F(Net, TheMtuHasLimits) {
  EXPECT_EQ(Talk(Request(RTM_SETLINK, Pf()).U32(IFLA_MTU, 9000)), 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0/mtu"), "9000");
  EXPECT_EQ(Talk(Request(RTM_SETLINK, Pf()).U32(IFLA_MTU, 67)), EINVAL);
  EXPECT_EQ(Talk(Request(RTM_SETLINK, Pf()).U32(IFLA_MTU, 70'000)), EINVAL);
}

TEST_F(Net, AVfsInterfaceIsDownUntilSomebodyWantsIt) {
  ASSERT_EQ(SetVfs("1"), 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0v0/operstate"), "down");
  EXPECT_EQ(ReadError("/sys/class/net/enp2s0f0v0/carrier"), EINVAL);
  ASSERT_EQ(Talk(Request(RTM_SETLINK, Of("0000:02:10.0").index).Up(true)), 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0v0/operstate"), "up");
}

TEST_F(Net, AnInterfaceInAnotherNamespaceIsNotSeenAtHome) {
  ASSERT_EQ(SetVfs("1"), 0);
  NewEvents();
  const UniqueFd container = machine.namespaces.Make();
  const int index = Of("0000:02:10.0").index;
  ASSERT_EQ(Talk(Request(RTM_SETLINK, index, "eth0")
                     .U32(IFLA_NET_NS_FD, static_cast<uint32_t>(container.get()))),
            0);
  EXPECT_FALSE(Exists(kVf + "/net"));
  EXPECT_EQ(Talk(Request(RTM_GETLINK, index)), ENODEV);
  EXPECT_THAT(NewEvents(), ElementsAre("remove net enp2s0f0v0"));
  auto inside = machine.namespaces.Enter(container);
  EXPECT_EQ(Talk(*inside, Request(RTM_GETLINK, 0, "eth0")), 0);
  const UniqueFd home = machine.namespaces.Own().value();
  EXPECT_EQ(Talk(*inside, Request(RTM_SETLINK, index, "enp2s0f0v0")
                              .U32(IFLA_NET_NS_FD, static_cast<uint32_t>(home.get()))),
            0);
  EXPECT_TRUE(Exists(kVf + "/net/enp2s0f0v0"));
  EXPECT_THAT(NewEvents(), ElementsAre("add net enp2s0f0v0"));
}

TEST_F(Net, AnInterfaceComesHomeWhenItsNamespaceEnds) {
  ASSERT_EQ(SetVfs("2"), 0);
  const UniqueFd container = machine.namespaces.Make();
  for (const char* address : {"0000:02:10.0", "0000:02:10.2"}) {
    const char* name = address[11] == '0' ? "eth0" : "enp2s0f0";
    ASSERT_EQ(Talk(Request(RTM_SETLINK, Of(address).index, name)
                       .U32(IFLA_NET_NS_FD, static_cast<uint32_t>(container.get()))),
              0);
  }
  EXPECT_EQ(machine.namespaces.List().value().size(), 1U);
  machine.namespaces.End(container);
  EXPECT_THAT(machine.namespaces.List().value(), IsEmpty());
  EXPECT_TRUE(Exists(kVf + "/net/eth0"));
  const Interface second = Of("0000:02:10.2");
  EXPECT_EQ(second.name, "dev" + std::to_string(second.index)) << "its name is taken at home";
}

TEST_F(Net, UnbindingRemovesAnInterfaceWhereverItIs) {
  ASSERT_EQ(SetVfs("1"), 0);
  const UniqueFd container = machine.namespaces.Make();
  ASSERT_EQ(Talk(Request(RTM_SETLINK, Of("0000:02:10.0").index, "eth0")
                     .U32(IFLA_NET_NS_FD, static_cast<uint32_t>(container.get()))),
            0);
  ASSERT_EQ(Write(kDrivers + "/igbvf/unbind", "0000:02:10.0"), 0);
  EXPECT_EQ(Talk(*machine.namespaces.Enter(container), Request(RTM_GETLINK, 0, "eth0")), ENODEV);
  ASSERT_EQ(Write(kDrivers + "/igbvf/bind", "0000:02:10.0"), 0);
  EXPECT_TRUE(Exists(kVf + "/net/enp2s0f0v0"));
}

TEST_F(Net, MalformedRequestsAreRefused) {
  EXPECT_FALSE(ParseLinkRequest({}));
  const Request request(RTM_SETLINK, Pf(), "eth0");
  for (size_t length = 0; length < request.bytes().size(); ++length) {
    std::ignore = ParseLinkRequest(request.bytes().first(length));
  }
  const NetlinkMessage refusal =
      ErrorMessage(request.bytes(), {.error = EINVAL, .text = "Bad VF rate"});
  hal::NetlinkReply reply(0, 0);
  const auto told = reply.Add(refusal);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().sys, EINVAL);
  EXPECT_THAT(told.error().what, HasSubstr("Bad VF rate"));
}

}  // namespace
}  // namespace drapci::sim
