// hal/net/link.cc against the kernel of this machine, in network namespaces of its own. Needs
// CAP_SYS_ADMIN and CAP_NET_ADMIN; without them everything here is skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "hal/net/link.h"
#include "hal/os/network_namespaces.h"
#include "test/unit/os/netlink_bytes.h"

namespace drapci::hal {
namespace {

using test::Bytes;
using testing::Contains;
using testing::HasSubstr;

std::vector<std::byte> Attribute(uint16_t type, const std::vector<std::byte>& payload) {
  Bytes bytes;
  bytes.U16(static_cast<uint16_t>(4 + payload.size())).U16(type).Add(payload);
  while (bytes.get().size() % 4 != 0) bytes.U8({0});
  return bytes.get();
}

// RTM_NEWLINK: the pair `one` and `two`.
std::vector<std::byte> NewPair(const char* one, const char* two) {
  const auto interface = [](const char* name) {
    Bytes bytes;
    for (int i = 0; i < 4; ++i) bytes.U32(0);
    return bytes.Add(Attribute(IFLA_IFNAME, Bytes().Text(name).get())).get();
  };
  const auto peer = Attribute(IFLA_INFO_DATA, Attribute(VETH_INFO_PEER, interface(two)));
  Bytes info;
  info.Add(Attribute(IFLA_INFO_KIND, Bytes().Text("veth").get())).Add(peer);
  Bytes body;
  body.Add(interface(one)).Add(Attribute(IFLA_LINKINFO, info.get()));
  return test::Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body.get(), 0, 0);
}

class KernelLink : public testing::Test {
 protected:
  // Runs `test` on a thread with a network namespace of its own, where there are the interfaces
  // "one" and "two", which are each other's peers. False, when this process may not.
  bool InNamespace(const std::function<void(Netlink&)>& test) {
    bool may = false;
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) != 0) return;
      KernelNetlink netlink;
      const auto made = netlink.Talk(NETLINK_ROUTE, NewPair("one", "two"));
      if (!made) return;
      may = true;
      test(netlink);
    }).join();
    return may;
  }
  // Another one, empty.
  UniqueFd NewNamespace() {
    UniqueFd fd;
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) == 0) fd = *KernelNetworkNamespaces().Own();
    }).join();
    return fd;
  }
  static int IndexOf(Netlink& netlink, const char* name) {
    const auto link = FindLink(netlink, name);
    EXPECT_TRUE(link) << link.error().what;
    return link ? link->index : 0;
  }
};

TEST_F(KernelLink, IsFoundListedAndGone) {
  if (!InNamespace([](Netlink& netlink) {
        const auto link = FindLink(netlink, "one");
        ASSERT_TRUE(link) << link.error().what;
        EXPECT_EQ(link->name, "one");
        EXPECT_EQ(link->mac.size(), 17U);
        EXPECT_EQ(link->mtu, 1500);
        EXPECT_FALSE(link->up);
        EXPECT_EQ(FindLink(netlink, link->index)->name, "one");
        const auto all = ListLinks(netlink);
        ASSERT_TRUE(all);
        EXPECT_EQ(std::ranges::count(*all, "two", &Link::name), 1);
        EXPECT_EQ(FindLink(netlink, "three").error().code, Code::kGone);
        EXPECT_EQ(FindLink(netlink, 9999).error().code, Code::kGone);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, GoesUpAndHasACarrierWithItsPeer) {
  if (!InNamespace([](Netlink& netlink) {
        const int one = IndexOf(netlink, "one"), two = IndexOf(netlink, "two");
        ASSERT_TRUE(SetLinkUp(netlink, one, true));
        EXPECT_TRUE(FindLink(netlink, one)->up);
        EXPECT_FALSE(FindLink(netlink, one)->carrier);
        ASSERT_TRUE(SetLinkUp(netlink, two, true));
        EXPECT_TRUE(FindLink(netlink, one)->carrier);
        ASSERT_TRUE(SetLinkUp(netlink, one, false));
        EXPECT_FALSE(FindLink(netlink, one)->up);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, TakesAnMtuAndRefusesOneWithTheKernelsText) {
  if (!InNamespace([](Netlink& netlink) {
        const int one = IndexOf(netlink, "one");
        ASSERT_TRUE(SetLinkMtu(netlink, one, 9000));
        EXPECT_EQ(FindLink(netlink, one)->mtu, 9000);
        const auto refused = SetLinkMtu(netlink, one, 100000);
        EXPECT_EQ(refused.error().sys, EINVAL);
        EXPECT_THAT(refused.error().what,
                    HasSubstr("EINVAL (Invalid argument): mtu greater than device maximum"));
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, IsRenamedUnlessTheNameIsTaken) {
  if (!InNamespace([](Netlink& netlink) {
        const int one = IndexOf(netlink, "one");
        EXPECT_EQ(RenameLink(netlink, one, "two").error().sys, EEXIST);
        ASSERT_TRUE(RenameLink(netlink, one, "net1"));
        EXPECT_EQ(FindLink(netlink, one)->name, "net1");
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

// RTM_NEWLINKPROP: an alternative name.
std::vector<std::byte> NewAlternativeName(int index, const char* name) {
  Bytes body;
  body.U32(0).U32(static_cast<uint32_t>(index)).U32(0).U32(0);
  body.Add(Attribute(IFLA_PROP_LIST | NLA_F_NESTED,
                     Attribute(IFLA_ALT_IFNAME, Bytes().Text(name).get())));
  return test::Message(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, body.get(), 0, 0);
}

TEST_F(KernelLink, TakesANameThatItHasAsAnAlternativeOne) {
  if (!InNamespace([](Netlink& netlink) {
        const int one = IndexOf(netlink, "one");
        ASSERT_TRUE(netlink.Talk(NETLINK_ROUTE, NewAlternativeName(one, "net1")));
        EXPECT_EQ(IndexOf(netlink, "net1"), one);
        EXPECT_EQ(RenameLink(netlink, IndexOf(netlink, "two"), "net1").error().sys, EEXIST);
        const auto renamed = RenameLink(netlink, one, "net1");
        ASSERT_TRUE(renamed) << renamed.error().what;
        EXPECT_EQ(FindLink(netlink, one)->name, "net1");
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, KeepsItsAddresses) {
  if (!InNamespace([](Netlink& netlink) {
        const int one = IndexOf(netlink, "one");
        for (const char* address : {"10.0.0.2/24", "fd00::2/64", "10.0.0.2/24"}) {
          const auto added = AddAddress(netlink, one, address);
          ASSERT_TRUE(added) << added.error().what;
        }
        const auto addresses = ListAddresses(netlink, one);
        ASSERT_TRUE(addresses);
        EXPECT_THAT(*addresses, Contains("10.0.0.2/24"));
        EXPECT_THAT(*addresses, Contains("fd00::2/64"));
        EXPECT_EQ(ListAddresses(netlink, IndexOf(netlink, "two"))->size(), 0U);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, MovesAwayAndComesHome) {
  const UniqueFd other = NewNamespace();
  if (!InNamespace([&](Netlink& netlink) {
        ASSERT_TRUE(other);
        KernelNetworkNamespaces namespaces;
        const int one = IndexOf(netlink, "one");
        ASSERT_TRUE(AddAddress(netlink, one, "10.0.0.2/24"));
        const auto moved = MoveLink(netlink, one, other.get(), "eth0");
        ASSERT_TRUE(moved) << moved.error().what;
        EXPECT_EQ(FindLink(netlink, "one").error().code, Code::kGone);
        const auto there = namespaces.Enter(other);
        const auto away = FindLink(*there, "eth0");
        ASSERT_TRUE(away) << away.error().what;
        EXPECT_EQ(ListAddresses(*there, away->index)->size(), 0U);
        ASSERT_TRUE(AddAddress(*there, away->index, "10.0.0.3/24"));
        ASSERT_TRUE(SetLinkUp(*there, away->index, true));
        const auto own = namespaces.Own();
        ASSERT_TRUE(own);
        const auto back = MoveLink(*there, away->index, own->get(), "one");
        ASSERT_TRUE(back) << back.error().what;
        const auto home = FindLink(netlink, "one");
        ASSERT_TRUE(home) << home.error().what;
        EXPECT_FALSE(home->up);
        EXPECT_EQ(ListAddresses(netlink, home->index)->size(), 0U);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

// What FakeRtnetlink and hal/accel/net_interface.cc take for granted.
TEST_F(KernelLink, ThatMovesToATakenNameMovesFirstAndIsRefusedThen) {
  const UniqueFd other = NewNamespace();
  if (!InNamespace([&](Netlink& netlink) {
        ASSERT_TRUE(other);
        KernelNetworkNamespaces namespaces;
        const auto there = namespaces.Enter(other);
        ASSERT_TRUE(MoveLink(netlink, IndexOf(netlink, "one"), other.get(), "taken"));
        EXPECT_EQ(MoveLink(netlink, IndexOf(netlink, "two"), other.get(), "taken").error().sys,
                  EEXIST);
        EXPECT_TRUE(FindLink(*there, "two"));
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, WhosePresentNameIsTakenAsWellStaysUntilAFreeOneIsAsked) {
  const UniqueFd other = NewNamespace();
  if (!InNamespace([&](Netlink& netlink) {
        ASSERT_TRUE(other);
        KernelNetworkNamespaces namespaces;
        const auto there = namespaces.Enter(other);
        ASSERT_TRUE(MoveLink(netlink, IndexOf(netlink, "one"), other.get(), "two"));
        const int two = IndexOf(netlink, "two");
        EXPECT_EQ(MoveLink(netlink, two, other.get(), "two").error().sys, EEXIST);
        EXPECT_TRUE(FindLink(netlink, "two"));
        const auto moved = MoveLink(netlink, two, other.get(), kFreeName);
        ASSERT_TRUE(moved) << moved.error().what;
        const auto links = ListLinks(*there);
        ASSERT_TRUE(links);
        EXPECT_EQ(std::ranges::count_if(
                      *links, [](const Link& link) { return link.name.starts_with("dev"); }),
                  1);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

TEST_F(KernelLink, OfNoDeviceHasNoVfs) {
  if (!InNamespace([](Netlink& netlink) {
        EXPECT_EQ(ReadVf(netlink, IndexOf(netlink, "one"), 0).error().code, Code::kGone);
      })) {
    GTEST_SKIP() << "no permission to make network namespaces";
  }
}

}  // namespace
}  // namespace drapci::hal
