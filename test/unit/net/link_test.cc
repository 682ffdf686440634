#include "hal/net/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "test/unit/net/fake_rtnetlink.h"

namespace drapci::hal {
namespace {

using test::FakeInterface;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    FakeInterface pf{.name = "enp2s0", .parent = "0000:02:00.0", .up = true};
    pf.vfs.resize(4);
    pf_ = kernel_.Add(std::move(pf));
  }
  FakeInterface& Pf() { return kernel_.Get(pf_); }
  test::FakeVf& Vf(size_t number) { return Pf().vfs.at(number); }
  std::string Read(int vf) { return ReadVf(netlink_, pf_, vf).value().ToString(); }
  int Sets() { return kernel_.requests[RTM_SETLINK]; }
  // The error of setting `want` on VF 3.
  Error Refusal(const VfSettings& want) {
    const auto done = ApplyVf(netlink_, pf_, 3, want);
    return done ? Error{.what = "it was accepted"} : done.error();
  }

  test::FakeRtnetlink kernel_;
  int pf_ = 0;
  Netlink& netlink_ = kernel_.In(test::FakeRtnetlink::kOwn);
};

TEST_F(LinkTest, IsFoundByNameAndByIndex) {
  const auto link = FindLink(netlink_, "enp2s0");
  ASSERT_TRUE(link) << link.error().what;
  EXPECT_EQ(link->index, pf_);
  EXPECT_EQ(link->mac, "52:54:00:00:00:01");
  EXPECT_EQ(link->mtu, 1500);
  EXPECT_TRUE(link->up && link->carrier);
  EXPECT_EQ(link->parent, "0000:02:00.0");
  EXPECT_EQ(FindLink(netlink_, pf_)->name, "enp2s0");
}

TEST_F(LinkTest, ThatIsNotThereIsGone) {
  const auto link = FindLink(netlink_, "eth9");
  EXPECT_EQ(link.error().code, Code::kGone);
  EXPECT_EQ(link.error().what, "network interface 'eth9': ENODEV (No such device)");
  EXPECT_EQ(FindLink(netlink_, 99).error().code, Code::kGone);
}

TEST_F(LinkTest, AreListedInOneNamespaceOnly) {
  const int other = kernel_.AddNamespace();
  kernel_.Add({.name = "eth0"}, other);
  kernel_.Add({.name = "lo"});
  const auto links = ListLinks(netlink_);
  ASSERT_TRUE(links);
  ASSERT_EQ(links->size(), 2U);
  EXPECT_EQ((*links)[0].name, "enp2s0");
  EXPECT_EQ((*links)[1].name, "lo");
  EXPECT_EQ(ListLinks(kernel_.In(other))->size(), 1U);
}

TEST_F(LinkTest, NamesThatTheKernelWouldRefuseAreNotSent) {
  for (const char* bad :
       {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\nb", "eth%d", "a\xa0", "sixteen-letters-"}) {
    EXPECT_FALSE(IsInterfaceName(bad)) << bad;
    EXPECT_EQ(FindLink(netlink_, bad).error().code, Code::kInvalid) << bad;
    EXPECT_EQ(RenameLink(netlink_, pf_, bad).error().code, Code::kInvalid) << bad;
    EXPECT_EQ(MoveLink(netlink_, pf_, 3, bad).error().code, Code::kInvalid) << bad;
  }
  EXPECT_FALSE(IsInterfaceName(std::string_view("a\0b", 3)));
  for (const char* good : {"a", "fifteen-letters", "...", "eth0.100", "a=b", "\xc3\xb6"}) {
    EXPECT_TRUE(IsInterfaceName(good)) << good;
  }
  EXPECT_THAT(kernel_.requests, IsEmpty());
}

TEST_F(LinkTest, ANewVfHasTheKernelsDefaults) {
  EXPECT_EQ(Read(3),
            "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q min_rate=0 max_rate=0 spoofchk=on "
            "trust=off link=auto");
  EXPECT_EQ(VfSettings::Parse(Read(3)), VfSettings::Parse(Read(3))->Defaults());
}

TEST_F(LinkTest, ReadingOneOfManyVfsIsOneMessage) {
  Pf().vfs.resize(100);
  Vf(77).max_rate = 5;
  EXPECT_EQ(ReadVf(netlink_, pf_, 77)->max_rate, 5);
  EXPECT_EQ(kernel_.requests[RTM_GETLINK], 1);
}

TEST_F(LinkTest, AVfThatIsNotThereIsGone) {
  for (const int vf : {-1, 4, 65535}) {
    const auto settings = ReadVf(netlink_, pf_, vf);
    EXPECT_EQ(settings.error().code, Code::kGone) << vf;
    EXPECT_EQ(ApplyVf(netlink_, pf_, vf, {.vlan = 1}).error().code, Code::kGone) << vf;
  }
  EXPECT_EQ(ReadVf(netlink_, pf_, 4).error().what, "enp2s0 has no VF 4, it has 4");
  EXPECT_EQ(ReadVf(netlink_, 99, 0).error().code, Code::kGone);
}

TEST_F(LinkTest, ADriverThatTellsNothingOfItsVfsIsUnsupported) {
  Pf().has_vf_calls = false;
  EXPECT_EQ(ReadVf(netlink_, pf_, 0).error().code, Code::kUnsupported);
  EXPECT_EQ(ApplyVf(netlink_, pf_, 0, {.vlan = 1}).error().code, Code::kUnsupported);
}

TEST_F(LinkTest, NothingIsKnownOfAVfBehindTheEndOfTheList) {
  Pf().vfs_listed = 2;
  Vf(1).max_rate = 5;
  EXPECT_EQ(ReadVf(netlink_, pf_, 1)->max_rate, 5);
  const auto settings = ReadVf(netlink_, pf_, 3);
  ASSERT_TRUE(settings) << settings.error().what;
  EXPECT_TRUE(settings->empty());
}

TEST_F(LinkTest, ARateIsSetThoughNothingIsKnownOfTheVfBefore) {
  Pf().vfs_listed = 2;
  Vf(3).min_rate = 0;
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.max_rate = 200}));
  EXPECT_EQ(Vf(3).max_rate, 200U);
}

TEST_F(LinkTest, WhatIsSetOnAVfReadsBack) {
  Pf().sets_link_state = true;
  const VfSettings want{.mac = "02:11:22:33:44:55",
                        .vlan = 100,
                        .qos = 3,
                        .max_rate = 200,
                        .spoof_check = false,
                        .trust = true,
                        .link_state = VfSettings::LinkState::kDisable};
  const auto done = ApplyVf(netlink_, pf_, 3, want);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_TRUE(want.HoldsIn(*ReadVf(netlink_, pf_, 3)));
  EXPECT_EQ(Sets(), 6);
  EXPECT_EQ(VfSettings::Parse(Read(2)), VfSettings::Parse(Read(2))->Defaults());
}

TEST_F(LinkTest, OnlyWhatDiffersIsSent) {
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 100, .max_rate = 200}));
  EXPECT_EQ(Sets(), 2);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 100, .max_rate = 200, .trust = false}));
  EXPECT_EQ(Sets(), 2);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 100, .max_rate = 100}));
  EXPECT_EQ(Sets(), 3);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {}));
  EXPECT_EQ(Sets(), 3);
}

TEST_F(LinkTest, AVlanKeepsThePriorityThatItHas) {
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 100, .qos = 3}));
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 101}));
  EXPECT_EQ(Vf(3).qos, 3U);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.qos = 5}));
  EXPECT_EQ(Vf(3).vlan, 101U);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.vlan = 0}));
  EXPECT_EQ(Vf(3).vlan, 0U);
  EXPECT_EQ(Vf(3).qos, 0U);
}

TEST_F(LinkTest, TheLargestRateLeavesTheSmallestAlone) {
  Vf(3).min_rate = 50;
  // A driver with a minimum; igb would refuse it.
  EXPECT_THAT(Refusal({.max_rate = 200}).what, HasSubstr("tx rate 50 to 200 Mbit/s of VF 3"));
}

TEST_F(LinkTest, AnOldKernelGetsTheOldAttribute) {
  Pf().old_rate = true;
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.max_rate = 200}));
  EXPECT_EQ(ReadVf(netlink_, pf_, 3)->max_rate, 200);
}

TEST_F(LinkTest, ARefusedRateNamesValueReasonAndWhatItMeans) {
  const Error error = Refusal({.max_rate = 20000});
  EXPECT_EQ(error.code, Code::kInvalid);
  EXPECT_EQ(error.sys, EINVAL);
  EXPECT_EQ(error.what,
            "tx rate 20000 Mbit/s of VF 3 of enp2s0: EINVAL (Invalid argument); drivers refuse a "
            "rate above the speed of the link");
}

TEST_F(LinkTest, TheKernelsOwnTextIsInTheError) {
  kernel_.Refuse(RTM_SETLINK, EINVAL, "rate too high");
  EXPECT_THAT(Refusal({.max_rate = 20000}).what,
              HasSubstr("of VF 3 of enp2s0: EINVAL (Invalid argument): rate too high; "));
  kernel_.Refuse(RTM_SETLINK, EINVAL, "odd: EINVAL (Invalid argument)");
  EXPECT_THAT(Refusal({.vlan = 3}).what,
              HasSubstr("EINVAL (Invalid argument): odd: EINVAL (Invalid argument)"));
}

TEST_F(LinkTest, ARefusalWhileTheLinkIsDownSaysSo) {
  Pf().peer = false;
  EXPECT_THAT(Refusal({.max_rate = 200}).what, HasSubstr("its link is down"));
  Pf().up = false;
  EXPECT_THAT(Refusal({.max_rate = 200}).what, HasSubstr("the interface of the PF is down"));
}

TEST_F(LinkTest, ARefusedMinimumSaysSo) {
  const Error error = Refusal({.min_rate = 100, .max_rate = 200});
  EXPECT_EQ(error.what,
            "tx rate 100 to 200 Mbit/s of VF 3 of enp2s0: EINVAL (Invalid argument); many drivers "
            "take no minimum");
}

TEST_F(LinkTest, WhatTheDriverCannotDoIsUnsupported) {
  const Error error = Refusal({.link_state = VfSettings::LinkState::kEnable});
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_EQ(error.what,
            "link state enable of VF 3 of enp2s0: EOPNOTSUPP (Operation not supported); the driver "
            "cannot set it");
  EXPECT_THAT(Refusal({.vlan = 100, .service_vlan = true}).what,
              AllOf(HasSubstr("802.1ad VLAN 100 of VF 3"), HasSubstr("cannot do 802.1ad")));
}

TEST_F(LinkTest, RefusalsKeepTheirErrno) {
  const std::pair<int, Code> refusals[] = {{EPERM, Code::kDenied},
                                           {ENODEV, Code::kGone},
                                           {EAGAIN, Code::kBusy},
                                           {EIO, Code::kIo},
                                           {ENOMEM, Code::kExhausted}};
  for (const auto& [error, code] : refusals) {
    kernel_.Refuse(RTM_SETLINK, error);
    const Error refusal = Refusal({.trust = true});
    EXPECT_EQ(refusal.code, code) << error;
    EXPECT_EQ(refusal.sys, error);
    EXPECT_THAT(refusal.what, HasSubstr("trust on of VF 3 of enp2s0: "));
  }
  kernel_.Refuse(RTM_SETLINK, EPERM);
  EXPECT_THAT(Refusal({.trust = true}).what, HasSubstr("CAP_NET_ADMIN"));
}

TEST_F(LinkTest, WhatWasSetBeforeARefusalStaysAndNothingFollowsIt) {
  EXPECT_THAT(
      Refusal({.mac = "02:11:22:33:44:55", .vlan = 7, .max_rate = 20000, .trust = true}).what,
      HasSubstr("tx rate"));
  EXPECT_EQ(Vf(3).vlan, 7U);
  EXPECT_EQ(Vf(3).mac[5], 0x55);
  EXPECT_EQ(Vf(3).trust, 0U);
}

TEST_F(LinkTest, SettingsThatNoVfCanHaveAreNotSent) {
  for (const VfSettings& bad :
       {VfSettings{.mac = "02:11:22:33:44"}, VfSettings{.vlan = 5000}, VfSettings{.qos = -1},
        VfSettings{.max_rate = -1}, VfSettings{.max_rate = int64_t{1} << 32}}) {
    EXPECT_EQ(Refusal(bad).code, Code::kInvalid) << bad.ToString();
  }
  EXPECT_EQ(Sets(), 0);
}

TEST_F(LinkTest, ADriverThatDoesNotTellTrustStillGetsIt) {
  Vf(3).trust = 0xffffffff;
  EXPECT_EQ(ReadVf(netlink_, pf_, 3)->trust, std::nullopt);
  ASSERT_TRUE(ApplyVf(netlink_, pf_, 3, {.trust = true}));
  EXPECT_EQ(Vf(3).trust, 1U);
}

TEST_F(LinkTest, GoesUpAndDownAndChangesItsMtu) {
  ASSERT_TRUE(SetLinkUp(netlink_, pf_, false));
  EXPECT_FALSE(Pf().up);
  ASSERT_TRUE(SetLinkUp(netlink_, pf_, true));
  EXPECT_TRUE(Pf().up);
  ASSERT_TRUE(SetLinkMtu(netlink_, pf_, 9000));
  EXPECT_EQ(Pf().mtu, 9000U);
  EXPECT_EQ(SetLinkMtu(netlink_, pf_, 65000).error().what,
            "MTU 65000 of network interface 2: EINVAL (Invalid argument): mtu greater than device "
            "maximum");
  EXPECT_EQ(SetLinkMtu(netlink_, pf_, 0).error().code, Code::kInvalid);
  EXPECT_EQ(SetLinkMtu(netlink_, pf_, int64_t{1} << 31).error().code, Code::kInvalid);
}

TEST_F(LinkTest, TakesANameThatItHasAsAnAlternativeOne) {
  Pf().alternatives = {"enp2s0np0", "fast0"};
  ASSERT_TRUE(RenameLink(netlink_, pf_, "fast0"));
  EXPECT_EQ(Pf().name, "fast0");
  EXPECT_THAT(Pf().alternatives, ElementsAre("enp2s0np0"));
}

TEST_F(LinkTest, TakesNoNameThatAnotherHas) {
  FakeInterface other{.name = "eth0"};
  other.alternatives = {"fast0"};
  const int index = kernel_.Add(std::move(other));
  EXPECT_EQ(RenameLink(netlink_, pf_, "fast0").error().sys, EEXIST);
  EXPECT_EQ(RenameLink(netlink_, pf_, "eth0").error().sys, EEXIST);
  EXPECT_THAT(kernel_.Get(index).alternatives, ElementsAre("fast0"));
}

TEST_F(LinkTest, IsMovedAndRenamedInOneMessage) {
  const int other = kernel_.AddNamespace();
  const auto all = kernel_.namespaces().List();
  ASSERT_TRUE(MoveLink(netlink_, pf_, all->at(0).get(), "net1"));
  EXPECT_EQ(Sets(), 1);
  EXPECT_EQ(kernel_.NamespaceOf(pf_), other);
  EXPECT_EQ(Pf().name, "net1");
  EXPECT_FALSE(Pf().up);
  EXPECT_EQ(FindLink(netlink_, pf_).error().code, Code::kGone);
  EXPECT_EQ(FindLink(kernel_.In(other), "net1")->index, pf_);
}

TEST_F(LinkTest, AnAddressMayBeAddedTwice) {
  for (const char* address : {"10.0.0.2/24", "fd00::2/64", "10.0.0.2/24"}) {
    ASSERT_TRUE(AddAddress(netlink_, pf_, address)) << address;
  }
  EXPECT_THAT(*ListAddresses(netlink_, pf_), ElementsAre("10.0.0.2/24", "fd00::2/64"));
  EXPECT_EQ(AddAddress(netlink_, pf_, "10.0.0.2").error().code, Code::kInvalid);
  EXPECT_EQ(AddAddress(netlink_, 99, "10.0.0.2/24").error().code, Code::kGone);
}

TEST_F(LinkTest, AnAnswerThatDescribesNothingIsAnError) {
  class Silent : public Netlink {
    Result<std::vector<NetlinkMessage>> Talk(int, std::span<const std::byte>) override {
      return std::vector<NetlinkMessage>{{}, NetlinkMessage(17)};
    }
  } silent;
  EXPECT_EQ(FindLink(silent, "eth0").error().code, Code::kIo);
  EXPECT_EQ(ReadVf(silent, 1, 0).error().code, Code::kIo);
  EXPECT_THAT(*ListLinks(silent), IsEmpty());
  EXPECT_THAT(*ListAddresses(silent, 1), IsEmpty());
}

TEST_F(LinkTest, ATimeOutIsNotMistakenForARefusal) {
  class Dead : public Netlink {
    Result<std::vector<NetlinkMessage>> Talk(int, std::span<const std::byte>) override {
      return Fail(Code::kTimeout, "the kernel did not answer");
    }
  } dead;
  EXPECT_EQ(FindLink(dead, "eth0").error().code, Code::kTimeout);
  EXPECT_EQ(FindLink(dead, "eth0").error().what,
            "network interface 'eth0': the kernel did not answer");
}

}  // namespace
}  // namespace drapci::hal
