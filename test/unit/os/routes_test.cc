#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "hal/os/netlink.h"
#include "test/unit/os/netlink_bytes.h"

namespace drapci::hal {
namespace {

using test::Bytes;
using test::Message;
using testing::ElementsAre;
using testing::IsEmpty;

// rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
Bytes Route(int family, int dst_len, int type = 1) {
  Bytes bytes;
  bytes.U8({family, dst_len, 0, 0, 254, 3, 0, type}).U32(0);
  return bytes;
}
Bytes& Oif(Bytes& bytes, uint32_t index) { return bytes.U16(8).U16(RTA_OIF).U32(index); }

std::vector<int> Parse(const std::vector<std::byte>& payload, uint16_t type = RTM_NEWROUTE) {
  const NetlinkMessage message = Message(type, 2, payload);
  return ParseDefaultRoutes({&message, 1});
}

TEST(DefaultRoutes, AreThoseWithoutPrefix) {
  Bytes route = Route(2, 0);
  EXPECT_THAT(Parse(Oif(route, 3).get()), ElementsAre(3));
  Bytes network = Route(2, 24);
  EXPECT_THAT(Parse(Oif(network, 3).get()), IsEmpty());
  Bytes six = Route(10, 0);
  EXPECT_THAT(Parse(Oif(six, 5).get()), ElementsAre(5));
}

TEST(DefaultRoutes, ThatLeadNowhereCarryNothing) {
  for (int type : {6, 7, 8}) {  // blackhole, unreachable, prohibit
    Bytes route = Route(10, 0, type);
    EXPECT_THAT(Parse(Oif(route, 1).get()), IsEmpty()) << type;
  }
}

TEST(DefaultRoutes, ListEveryNextHopOfAMultipathRoute) {
  // rtnexthop: len 16 with a gateway attribute of 8, flags, hops, ifindex.
  const auto hop = [](uint32_t index) {
    return Bytes().U16(16).U8({0, 0}).U32(index).U16(8).U16(RTA_GATEWAY).U32(0x010200c0).get();
  };
  const auto payload = Route(2, 0).U16(36).U16(RTA_MULTIPATH).Add(hop(7)).Add(hop(4)).get();
  EXPECT_THAT(Parse(payload), ElementsAre(4, 7));
}

TEST(DefaultRoutes, StopAtTheFirstAttributeThatDoesNotFit) {
  Bytes good = Route(2, 0);
  Oif(good, 3);
  for (uint16_t length : {0, 3, 9, 0xffff}) {
    Bytes bytes = good;
    EXPECT_THAT(Parse(bytes.U16(length).U16(RTA_OIF).U32(9).get()), ElementsAre(3)) << length;
  }
  for (uint16_t length : {0, 7, 12, 0xffff}) {
    const auto payload = Route(2, 0).U16(12).U16(RTA_MULTIPATH).U16(length).U8({0, 0}).U32(9).get();
    EXPECT_THAT(Parse(payload), IsEmpty()) << length;
  }
}

TEST(DefaultRoutes, SkipOtherMessagesAndFragments) {
  Bytes route = Route(2, 0);
  Oif(route, 3);
  EXPECT_THAT(Parse(route.get(), RTM_DELROUTE), IsEmpty());
  EXPECT_THAT(Parse(Bytes().U32(0).get()), IsEmpty());
  const NetlinkMessage nothing;
  EXPECT_THAT(ParseDefaultRoutes({&nothing, 1}), IsEmpty());
  Bytes negative = Route(2, 0);
  EXPECT_THAT(Parse(Oif(negative, 0xffffffff).get()), IsEmpty());
}

TEST(DefaultRoutes, NameEachInterfaceOnce) {
  Bytes first = Route(2, 0), second = Route(10, 0), third = Route(2, 0);
  const std::vector<NetlinkMessage> replies = {Message(RTM_NEWROUTE, 2, Oif(first, 9).get()),
                                               Message(RTM_NEWROUTE, 2, Oif(second, 2).get()),
                                               Message(RTM_NEWROUTE, 2, Oif(third, 9).get())};
  EXPECT_THAT(ParseDefaultRoutes(replies), ElementsAre(2, 9));
}

// Answers by message type and family.
class RouteNetlink : public Netlink {
 public:
  Result<std::vector<NetlinkMessage>> Talk(int, std::span<const std::byte> request) override {
    const auto type = std::to_integer<int>(request[4]);
    if (type == RTM_GETNEXTHOP) return next_hops;
    const bool six = request[16] == std::byte{10};
    if (six && six_error != 0) return Fail(Error::FromErrno(six_error, "netlink"));
    return six ? six_routes : four_routes;
  }
  std::vector<NetlinkMessage> four_routes, six_routes, next_hops;
  int six_error = 0;
};

TEST(DefaultRouteInterfaces, JoinBothFamilies) {
  RouteNetlink netlink;
  Bytes four = Route(2, 0), six = Route(10, 0);
  netlink.four_routes = {Message(RTM_NEWROUTE, 2, Oif(four, 3).get())};
  netlink.six_routes = {Message(RTM_NEWROUTE, 2, Oif(six, 2).get())};
  EXPECT_THAT(DefaultRouteInterfaces(netlink).value(), ElementsAre(2, 3));
}

TEST(DefaultRouteInterfaces, DoWithoutAFamilyThatTheKernelLacks) {
  RouteNetlink netlink;
  Bytes four = Route(2, 0);
  netlink.four_routes = {Message(RTM_NEWROUTE, 2, Oif(four, 3).get())};
  netlink.six_error = EAFNOSUPPORT;
  EXPECT_THAT(DefaultRouteInterfaces(netlink).value(), ElementsAre(3));
  netlink.six_error = EPERM;
  EXPECT_EQ(DefaultRouteInterfaces(netlink).error().sys, EPERM);
}

TEST(DefaultRouteInterfaces, FollowNextHopObjects) {
  RouteNetlink netlink;
  netlink.four_routes = {Message(RTM_NEWROUTE, 2, Route(2, 0).U16(8).U16(RTA_NH_ID).U32(12).get())};
  // nhmsg: family, scope, protocol, reserved, flags; then NHA_ID and NHA_OIF.
  netlink.next_hops = {
      Message(RTM_NEWNEXTHOP, 2,
              Bytes().U8({2, 0, 3, 0}).U32(0).U16(8).U16(1).U32(12).U16(8).U16(5).U32(6).get())};
  EXPECT_THAT(DefaultRouteInterfaces(netlink).value(), ElementsAre(6));
}

TEST(DefaultRouteInterfaces, LeaveNextHopObjectsAloneWhenNoDefaultRouteUsesThem) {
  RouteNetlink netlink;
  netlink.four_routes = {
      Message(RTM_NEWROUTE, 2, Route(2, 24).U16(8).U16(RTA_NH_ID).U32(12).get())};
  netlink.next_hops = {
      Message(RTM_NEWNEXTHOP, 2, Bytes().U8({2, 0, 3, 0}).U32(0).U16(8).U16(5).U32(6).get())};
  EXPECT_THAT(DefaultRouteInterfaces(netlink).value(), IsEmpty());
}

}  // namespace
}  // namespace drapci::hal
