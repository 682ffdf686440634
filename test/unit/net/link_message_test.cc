#include "hal/net/link_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/os/netlink_bytes.h"

namespace drapci::hal {
namespace {

using test::Bytes;
using test::Message;
using testing::ElementsAreArray;

// The numbers of include/uapi/linux/rtnetlink.h and if_link.h, so that a wrong name shows.
constexpr uint16_t kNewLink = 16, kGetLink = 18, kSetLink = 19, kNewAddr = 20, kGetAddr = 22;
constexpr uint16_t kRequest = 1, kDump = 0x300, kCreateExclusive = 0x600;
constexpr uint16_t kNested = 0x8000;

// ifinfomsg: family, padding, type, index, flags, change.
Bytes Interface(uint32_t index, uint32_t flags = 0, uint32_t change = 0, uint16_t type = 0) {
  Bytes bytes;
  bytes.U8({0, 0}).U16(type).U32(index).U32(flags).U32(change);
  return bytes;
}

void ExpectRequest(const NetlinkMessage& request, uint16_t type, uint16_t flags,
                   const std::vector<std::byte>& payload) {
  EXPECT_THAT(request, ElementsAreArray(Message(type, kRequest | flags, payload, 0, 0)));
}

// A VF's attribute in its two nests.
void ExpectVf(const NetlinkMessage& request, uint32_t index,
              const std::vector<std::byte>& attribute) {
  const auto size = static_cast<uint16_t>(attribute.size());
  ExpectRequest(request, kSetLink, 0,
                Interface(index)
                    .U16(static_cast<uint16_t>(size + 8))
                    .U16(22 | kNested)
                    .U16(static_cast<uint16_t>(size + 4))
                    .U16(1 | kNested)
                    .Add(attribute)
                    .get());
}

TEST(LinkRequests, AskByNameByIndexAndForAll) {
  ExpectRequest(GetLinkRequest("eth0"), kGetLink, 0,
                Interface(0).U16(9).U16(3).Text("eth0").U16(8).U16(29).U32(8).get());
  ExpectRequest(GetLinkRequest(7, false), kGetLink, 0, Interface(7).U16(8).U16(29).U32(8).get());
  ExpectRequest(GetLinkRequest(7, true), kGetLink, 0, Interface(7).U16(8).U16(29).U32(9).get());
  ExpectRequest(ListLinksRequest(), kGetLink, kDump, Interface(0).U16(8).U16(29).U32(8).get());
}

TEST(LinkRequests, SetFlagsMtuNameAndNamespace) {
  ExpectRequest(UpRequest(7, true), kSetLink, 0, Interface(7, 1, 1).get());
  ExpectRequest(UpRequest(7, false), kSetLink, 0, Interface(7, 0, 1).get());
  ExpectRequest(MtuRequest(7, 9000), kSetLink, 0, Interface(7).U16(8).U16(4).U32(9000).get());
  ExpectRequest(NameRequest(7, "net1"), kSetLink, 0, Interface(7).U16(9).U16(3).Text("net1").get());
  ExpectRequest(MoveRequest(7, 5, "net1"), kSetLink, 0,
                Interface(7).U16(8).U16(28).U32(5).U16(9).U16(3).Text("net1").get());
}

TEST(LinkRequests, TakeAnAlternativeNameAway) {
  ExpectRequest(RemoveAlternativeNameRequest(7, "net1"), 109, 0,
                Interface(7).U16(16).U16(52 | kNested).U16(9).U16(53).Text("net1").get());
}

TEST(VfRequests, CarryOneSettingInTwoNests) {
  Bytes mac;
  mac.U16(40).U16(1).U32(3).U8({0x02, 0x11, 0x22, 0x33, 0x44, 0xff});
  for (int i = 6; i < 32; ++i) mac.U8({0});
  ExpectVf(VfMacRequest(7, 3, "02:11:22:33:44:ff"), 7, mac.get());
  ExpectVf(VfVlanRequest(7, 3, 100, 5, false), 7,
           Bytes().U16(16).U16(2).U32(3).U32(100).U32(5).get());
  ExpectVf(VfRateRequest(7, 3, 10, 200), 7, Bytes().U16(16).U16(6).U32(3).U32(10).U32(200).get());
  ExpectVf(VfMaxRateRequest(7, 3, 200), 7, Bytes().U16(12).U16(3).U32(3).U32(200).get());
  ExpectVf(VfSpoofCheckRequest(7, 3, false), 7, Bytes().U16(12).U16(4).U32(3).U32(0).get());
  ExpectVf(VfTrustRequest(7, 3, true), 7, Bytes().U16(12).U16(9).U32(3).U32(1).get());
  ExpectVf(VfLinkStateRequest(7, 3, VfSettings::LinkState::kDisable), 7,
           Bytes().U16(12).U16(5).U32(3).U32(2).get());
}

TEST(VfRequests, AServiceVlanTakesTheNestedList) {
  ExpectVf(VfVlanRequest(7, 3, 100, 5, true), 7,
           Bytes()
               .U16(24)
               .U16(12 | kNested)
               .U16(20)
               .U16(1)
               .U32(3)
               .U32(100)
               .U32(5)
               .U8({0x88, 0xa8, 0, 0})
               .get());
}

TEST(AddressRequests, CarryTheAddressTwice) {
  ExpectRequest(*AddAddressRequest(7, "10.0.0.2/24"), kNewAddr, kCreateExclusive,
                Bytes()
                    .U8({2, 24, 0, 0})
                    .U32(7)
                    .U16(8)
                    .U16(2)
                    .U8({10, 0, 0, 2})
                    .U16(8)
                    .U16(1)
                    .U8({10, 0, 0, 2})
                    .get());
  Bytes six;
  six.U8({10, 64, 0, 0}).U32(7);
  for (const uint16_t type : {2, 1}) {
    six.U16(20).U16(type).U8({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
  }
  ExpectRequest(*AddAddressRequest(7, "fd00::2/64"), kNewAddr, kCreateExclusive, six.get());
  ExpectRequest(ListAddressesRequest(), kGetAddr, kDump, Bytes().U8({0, 0, 0, 0}).U32(0).get());
  EXPECT_EQ(AddAddressRequest(7, "10.0.0.2"), std::nullopt);
}

TEST(AddressText, IsCanonicalAndKeepsTheHostBits) {
  const std::pair<const char*, const char*> texts[] = {
      {"10.0.0.2/24", "10.0.0.2/24"}, {"0.0.0.1/0", "0.0.0.1/0"},
      {"10.1.2.3/32", "10.1.2.3/32"}, {"FD00:0:0:0:0:0:0:2/64", "fd00::2/64"},
      {"fe80::1/10", "fe80::1/10"},   {"::ffff:10.0.0.1/128", "::ffff:10.0.0.1/128"}};
  for (const auto& [text, canonical] : texts) EXPECT_EQ(CanonicalAddress(text), canonical) << text;
}

TEST(AddressText, WhatNoInterfaceCanHaveIsRefused) {
  for (const char* bad : {"",
                          "/",
                          "/24",
                          "10.0.0.2",
                          "10.0.0.2/",
                          "10.0.0.2/33",
                          "10.0.0.2/-1",
                          "10.0.0.2/024",
                          "10.0.0.2/24/1",
                          "10.0.0/24",
                          "010.0.0.2/24",
                          "10.0.0.2/24 ",
                          " 10.0.0.2/24",
                          "fd00::2/129",
                          "fd00::2%eth0/64",
                          "0.0.0.0/0",
                          "::/0",
                          "224.0.0.1/4",
                          "239.1.2.3/32",
                          "255.255.255.255/32",
                          "ff02::1/64",
                          "localhost/8",
                          "1/24",
                          "fd00:::1/64"}) {
    EXPECT_EQ(CanonicalAddress(bad), "") << bad;
  }
  EXPECT_EQ(CanonicalAddress(std::string_view("10.0.0.2\0/24", 12)), "");
}

TEST(LinkAnswers, AreReadFromTheKernelsBytes) {
  const auto message = Message(kNewLink, 0,
                               Interface(7, 0x11043, 0, 1)
                                   .U16(11)
                                   .U16(3)
                                   .Text("enp2s0")
                                   .U16(8)
                                   .U16(4)
                                   .U32(1500)
                                   .U16(10)
                                   .U16(1)
                                   .U8({0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0})
                                   .U16(17)
                                   .U16(56)
                                   .Text("0000:02:00.0")
                                   .get());
  const auto link = ParseLink(message);
  ASSERT_TRUE(link);
  EXPECT_EQ(link->index, 7);
  EXPECT_EQ(link->name, "enp2s0");
  EXPECT_EQ(link->mac, "52:54:00:12:34:56");
  EXPECT_EQ(link->mtu, 1500);
  EXPECT_TRUE(link->up);
  EXPECT_TRUE(link->carrier);
  EXPECT_EQ(link->parent, "0000:02:00.0");
}

TEST(LinkAnswers, WithoutIndexOrNameAndOtherMessagesAreNone) {
  const auto name = Bytes().U16(9).U16(3).Text("eth0").get();
  EXPECT_TRUE(ParseLink(Message(kNewLink, 0, Interface(1).Add(name).get())));
  EXPECT_FALSE(ParseLink(Message(17, 0, Interface(1).Add(name).get())));
  EXPECT_FALSE(ParseLink(Message(kNewLink, 0, Interface(0).Add(name).get())));
  EXPECT_FALSE(ParseLink(Message(kNewLink, 0, Interface(0xffffffff).Add(name).get())));
  EXPECT_FALSE(ParseLink(Message(kNewLink, 0, Interface(1).get())));
  EXPECT_FALSE(ParseLink(Message(kNewLink, 0, Bytes().U32(0).get())));
  EXPECT_FALSE(ParseLink({}));
}

// IFLA_VF_INFO with address, VLAN, rates, spoof check, link state and trust.
Bytes Vf(uint32_t vf, uint32_t rate, uint32_t spoof, uint32_t trust) {
  Bytes mac;
  mac.U32(vf).U8({0x02, 0x11, 0x22, 0x33, 0x44, 0x55});
  for (int i = 6; i < 32; ++i) mac.U8({0});
  Bytes info;
  info.U16(40).U16(1).Add(mac.get());
  info.U16(16).U16(2).U32(vf).U32(100).U32(3);
  info.U16(16).U16(6).U32(vf).U32(5).U32(rate);
  info.U16(12).U16(3).U32(vf).U32(rate);
  info.U16(12).U16(4).U32(vf).U32(spoof);
  info.U16(12).U16(5).U32(vf).U32(1);
  info.U16(12).U16(9).U32(vf).U32(trust);
  info.U16(24).U16(12).U16(20).U16(1).U32(vf).U32(100).U32(3).U8({0x88, 0xa8, 0, 0});
  Bytes whole;
  whole.U16(static_cast<uint16_t>(info.get().size() + 4)).U16(1).Add(info.get());
  return whole;
}

// RTM_NEWLINK of "pf" with `count` VFs and this content of the list.
NetlinkMessage PfAnswer(uint32_t count, const std::vector<std::byte>& list, uint16_t type = 1) {
  return Message(kNewLink, 0,
                 Interface(7, 1, 0, type)
                     .U16(7)
                     .U16(3)
                     .Text("pf")
                     .U16(8)
                     .U16(21)
                     .U32(count)
                     .U16(static_cast<uint16_t>(4 + list.size()))
                     .U16(22)
                     .Add(list)
                     .get());
}

TEST(VfAnswers, TellEverySettingOfTheOneAskedFor) {
  const auto message = PfAnswer(2, Vf(0, 50, 0, 0).Add(Vf(1, 200, 1, 1).get()).get());
  const auto answer = ParseVf(message, 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->link.name, "pf");
  EXPECT_TRUE(answer->link.up);
  EXPECT_EQ(answer->vfs, 2);
  EXPECT_TRUE(answer->lists_vfs);
  EXPECT_EQ(answer->settings.ToString(),
            "mac=02:11:22:33:44:55 vlan=100 qos=3 proto=802.1ad min_rate=5 max_rate=200 "
            "spoofchk=on trust=on link=enable");
  EXPECT_EQ(ParseVf(message, 0)->settings.max_rate, 50);
}

TEST(VfAnswers, AllOnesMeanThatTheDriverDoesNotTell) {
  const auto answer = ParseVf(PfAnswer(1, Vf(0, 50, 0xffffffff, 0xffffffff).get()), 0);
  EXPECT_EQ(answer->settings.spoof_check, std::nullopt);
  EXPECT_EQ(answer->settings.trust, std::nullopt);
  EXPECT_EQ(answer->settings.max_rate, 50);
}

TEST(VfAnswers, OfAnOldKernelTellTheLargestRateOnly) {
  Bytes info;
  info.U16(16).U16(2).U32(0).U32(7).U32(1).U16(12).U16(3).U32(0).U32(50);
  const auto answer = ParseVf(PfAnswer(1, Bytes().U16(32).U16(1).Add(info.get()).get()), 0);
  EXPECT_EQ(answer->settings.ToString(), "vlan=7 qos=1 max_rate=50");
}

TEST(VfAnswers, AListThatWasCutTellsNothingOfTheRest) {
  const auto answer = ParseVf(PfAnswer(200, Vf(0, 50, 0, 0).get()), 130);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->vfs, 200);
  EXPECT_TRUE(answer->lists_vfs);
  EXPECT_TRUE(answer->settings.empty());
}

TEST(VfAnswers, AListThatOverflowsItsLengthDoesNotBecomeAttributesOfTheInterface) {
  // The length says one VF, and the rest of the list follows: its entries have type 1, which is
  // IFLA_ADDRESS of an interface, and 3 is IFLA_IFNAME.
  auto first = Vf(0, 50, 0, 0).get();
  Bytes body = Interface(7, 1, 0, 1);
  body.U16(10).U16(1).U8({2, 2, 2, 2, 2, 2, 0, 0}).U16(7).U16(3).Text("pf").U16(8).U16(21).U32(9);
  body.U16(static_cast<uint16_t>(4 + first.size())).U16(22).Add(first).Add(Vf(1, 60, 0, 0).get());
  body.U16(8).U16(3).Text("bad");
  const auto answer = ParseVf(Message(kNewLink, 0, body.get()), 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->link.name, "pf");
  EXPECT_EQ(answer->link.mac, "02:02:02:02:02:02");
  EXPECT_TRUE(answer->settings.empty());
}

TEST(VfAnswers, ValuesOutOfRangeAreNotTold) {
  Bytes info;
  info.U16(16).U16(2).U32(0).U32(4096).U32(8).U16(12).U16(5).U32(0).U32(3);
  const auto answer = ParseVf(PfAnswer(1, Bytes().U16(32).U16(1).Add(info.get()).get()), 0);
  EXPECT_TRUE(answer->settings.empty());
}

TEST(VfAnswers, FragmentsOfAttributesAreSkipped) {
  Bytes info;
  info.U16(8).U16(6).U32(0).U16(6).U16(9).U8({0, 0, 0, 0}).U16(8).U16(12).U16(4).U16(1);
  const auto answer = ParseVf(PfAnswer(1, Bytes().U16(28).U16(1).Add(info.get()).get()), 0);
  EXPECT_TRUE(answer->lists_vfs);
  EXPECT_TRUE(answer->settings.empty());
  EXPECT_TRUE(ParseVf(PfAnswer(1, Bytes().U16(4).U16(1).get()), 0)->settings.empty());
}

TEST(VfAnswers, AnInfinibandAddressIsNoEthernetAddress) {
  const auto answer = ParseVf(PfAnswer(1, Vf(0, 50, 0, 0).get(), 32), 0);
  EXPECT_EQ(answer->settings.mac, std::nullopt);
  EXPECT_EQ(answer->settings.vlan, 100);
}

TEST(AddressAnswers, AreThoseOfTheInterfaceAskedFor) {
  const auto message =
      Message(kNewAddr, 2, Bytes().U8({2, 24, 0, 0}).U32(7).U16(8).U16(1).U8({10, 0, 0, 2}).get());
  EXPECT_EQ(ParseAddress(message, 7), "10.0.0.2/24");
  EXPECT_EQ(ParseAddress(message, 8), std::nullopt);
  EXPECT_EQ(ParseAddress(message, 0), std::nullopt);
}

TEST(AddressAnswers, NameTheOwnAddressAndNotThePeers) {
  const auto own = Bytes().U16(8).U16(2).U8({10, 0, 0, 2}).get();
  const auto peer = Bytes().U16(8).U16(1).U8({10, 0, 0, 1}).get();
  for (const auto& [first, second] : {std::pair(own, peer), std::pair(peer, own)}) {
    Bytes body;
    body.U8({2, 32, 0, 0}).U32(7).Add(first).Add(second);
    EXPECT_EQ(ParseAddress(Message(kNewAddr, 2, body.get()), 7), "10.0.0.2/32");
  }
}

TEST(AddressAnswers, ThatMakeNoSenseAreNone) {
  Bytes short_address, other_family, long_prefix;
  short_address.U8({10, 64, 0, 0}).U32(7).U16(8).U16(1).U8({10, 0, 0, 2});
  other_family.U8({7, 24, 0, 0}).U32(7).U16(8).U16(1).U8({10, 0, 0, 2});
  long_prefix.U8({2, 33, 0, 0}).U32(7).U16(8).U16(1).U8({10, 0, 0, 2});
  for (const Bytes& body : {short_address, other_family, long_prefix}) {
    EXPECT_EQ(ParseAddress(Message(kNewAddr, 2, body.get()), 7), std::nullopt);
  }
}

}  // namespace
}  // namespace drapci::hal
