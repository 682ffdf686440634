#include "hal/accel/net_settings.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>

#include "hal/accel/match.h"
#include "test/unit/net/net_machine.h"

namespace drapci::hal {
namespace {

using test::FakeInterface;
using testing::HasSubstr;

class NetSettings : public test::NetMachine {
 protected:
  Setting& Vfs() { return *table_.find(kVfSetting)->second; }
  Setting& Up() { return *table_.find(kUpSetting)->second; }
  Setting& Interface() { return *table_.find(kInterfaceSetting)->second; }
  std::string Probed(const Setting& setting, std::string_view target) {
    const auto value = setting.Probe(target);
    return value ? *value : value.error().what;
  }
  const SettingTable table_ = MakeSettings(net_host_);
};

TEST_F(NetSettings, TargetsAndValuesThatMakeNoSenseAreInvalid) {
  for (const char* target : {"", "enp2s0", "0000:02:00.0/1", "../../etc"}) {
    EXPECT_EQ(Vfs().Probe(target).error().code, Code::kInvalid) << target;
    EXPECT_EQ(Up().Probe(target).error().code, Code::kInvalid) << target;
    EXPECT_EQ(Interface().Probe(target).error().code, Code::kInvalid) << target;
  }
  EXPECT_EQ(Vfs().Probe("0000:02:00.0").error().code, Code::kInvalid);
  EXPECT_EQ(Up().Probe(kVfPlace).error().code, Code::kInvalid);
  EXPECT_EQ(Vfs().Apply(kVfPlace, "vlan=x", Deadline()).error().code, Code::kInvalid);
  EXPECT_EQ(Up().Apply("0000:02:00.0", "maybe", Deadline()).error().code, Code::kInvalid);
  EXPECT_EQ(Interface().Apply(kVfPlace, "name=a/b mtu=1", Deadline()).error().code, Code::kInvalid);
  EXPECT_EQ(kernel_.requests[RTM_SETLINK], 0);
}

TEST_F(NetSettings, TargetsThatDoNotExistAreGone) {
  for (const char* target : {"0000:02:00.0/vf3", "0000:7f:00.0/vf0"}) {
    EXPECT_EQ(Vfs().Probe(target).error().code, Code::kGone) << target;
    EXPECT_EQ(Vfs().Apply(target, "vlan=1", Deadline()).error().code, Code::kGone) << target;
    EXPECT_EQ(Interface().Probe(target).error().code, Code::kGone) << target;
    EXPECT_EQ(Interface().Apply(target, "any", Deadline()).error().code, Code::kGone) << target;
  }
  EXPECT_EQ(Up().Probe("0000:7f:00.0").error().code, Code::kGone);
}

TEST_F(NetSettings, AVfIsSetAndPutBackByItsPlace) {
  const std::string before = *Vfs().Probe(kVfPlace);
  EXPECT_EQ(before,
            "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q min_rate=0 max_rate=0 spoofchk=on "
            "trust=off link=auto");
  ASSERT_TRUE(Vfs().Apply(kVfPlace, "vlan=100 qos=3 max_rate=200 trust=on", Deadline()));
  EXPECT_EQ(Vf().max_rate, 200U);
  EXPECT_TRUE(Vfs().Satisfies(*Vfs().Probe(kVfPlace), "vlan=100 qos=3 max_rate=200 trust=on"));
  EXPECT_FALSE(Vfs().Satisfies(*Vfs().Probe(kVfPlace), before));
  ASSERT_TRUE(Vfs().Apply(kVfPlace, before, Deadline()));
  EXPECT_EQ(*Vfs().Probe(kVfPlace), before);
}

TEST_F(NetSettings, ProbingAVfIsOneMessage) {
  ASSERT_TRUE(Vfs().Probe(kVfPlace));
  EXPECT_EQ(kernel_.requests[RTM_GETLINK], 1);
}

TEST_F(NetSettings, ARateAboveTheLinksIsRefusedInNumbers) {
  const auto refused = Vfs().Apply(kVfPlace, "max_rate=20000", Deadline());
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_EQ(refused.error().what,
            "tx rate 20000 Mbit/s of VF 1 of enp2s0: EINVAL (Invalid argument); drivers refuse a "
            "rate above the speed of the link; the link of enp2s0 runs at 1000 Mbit/s");
}

TEST_F(NetSettings, APfWithoutInterfaceSetsNoVfs) {
  kernel_.Remove(pf_);
  const auto probed = Vfs().Probe(kVfPlace);
  EXPECT_EQ(probed.error().code, Code::kUnsupported);
  EXPECT_EQ(probed.error().what,
            "0000:02:00.0 has no network interface here (driver igb), and its VFs are set through "
            "it");
  EXPECT_EQ(Up().Probe("0000:02:00.0").error().code, Code::kUnsupported);
}

TEST_F(NetSettings, APortForAnotherFunctionIsNotThePfsInterface) {
  FakeInterface port{.name = "a0", .parent = std::string(test::kNic)};
  port.port = "pf0vf1";
  kernel_.Add(std::move(port));
  Vf().max_rate = 7;
  EXPECT_THAT(Probed(Vfs(), kVfPlace), HasSubstr("max_rate=7"));
}

TEST_F(NetSettings, AWishOfAVfHoldsWhateverItDoesNotName) {
  EXPECT_TRUE(Vfs().Satisfies("vlan=3 max_rate=200 trust=on", "max_rate=200"));
  EXPECT_FALSE(Vfs().Satisfies("vlan=3 max_rate=200", "max_rate=200 trust=on"));
  EXPECT_TRUE(Vfs().Satisfies("vlan=3", ""));
  EXPECT_FALSE(Vfs().Satisfies("nonsense", "vlan=3"));
  EXPECT_FALSE(Vfs().Satisfies("vlan=3", "nonsense"));
}

TEST_F(NetSettings, OnlyWhatIsWishedIsRememberedOfAVf) {
  const Setting& setting = *table_.find(kVfSetting)->second;
  EXPECT_EQ(setting.Before("vlan=7 max_rate=50 spoofchk=on", "max_rate=200"), "max_rate=50");
  EXPECT_EQ(setting.Before("vlan=7", "max_rate=200 trust=on"), "max_rate=0 trust=off");
}

TEST_F(NetSettings, AValueOfAVfThatIsNeitherOldNorWantedIsSomebodyElses) {
  constexpr char kBefore[] = "vlan=0 max_rate=0 trust=off", kWant[] = "max_rate=200";
  EXPECT_TRUE(Vfs().Between("vlan=0 max_rate=200 trust=off", kBefore, kWant));
  EXPECT_TRUE(Vfs().Between("vlan=9 max_rate=0 trust=on", kBefore, kWant));
  EXPECT_FALSE(Vfs().Between("vlan=0 max_rate=100 trust=off", kBefore, kWant));
  EXPECT_FALSE(Vfs().Between("nonsense", kBefore, kWant));
}

TEST_F(NetSettings, APfGoesUpAndWaitsForItsCarrier) {
  Pf().up = false;
  Pf().peer = false;
  EXPECT_EQ(Up().Probe("0000:02:00.0"), "down");
  const MonotonicTime start = machine_.clock.Now();
  events_.later.emplace_back([] {});
  events_.later.emplace_back([&] { Pf().peer = true; });
  ASSERT_TRUE(Up().Apply("0000:02:00.0", "up", Deadline()));
  EXPECT_TRUE(Pf().peer);
  EXPECT_EQ(machine_.clock.Now(), start);
  EXPECT_EQ(Up().Probe("0000:02:00.0"), "up");
  ASSERT_TRUE(Up().Apply("0000:02:00.0", "down", Deadline()));
  EXPECT_EQ(Up().Probe("0000:02:00.0"), "down");
}

TEST_F(NetSettings, ACarrierThatNoEventTellsOfIsSeenAllTheSame) {
  Pf().up = false;
  Pf().peer = false;
  const MonotonicTime start = machine_.clock.Now();
  kernel_.before = [&](uint16_t) {
    if (machine_.clock.Now() - start >= std::chrono::seconds(1)) Pf().peer = true;
  };
  ASSERT_TRUE(Up().Apply("0000:02:00.0", "up", Deadline()));
  EXPECT_LT(machine_.clock.Now() - start, std::chrono::seconds(2));
}

TEST_F(NetSettings, ARateWaitsForTheCarrierThatMakingVfsTookAway) {
  Pf().peer = false;
  events_.later.emplace_back([] {});
  events_.later.emplace_back([&] { Pf().peer = true; });
  const auto done = Vfs().Apply(kVfPlace, "min_rate=0 max_rate=200", Deadline());
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(Vf().max_rate, 200U);
}

TEST_F(NetSettings, ARateWithoutACarrierIsRefusedAfterFiveSeconds) {
  Pf().peer = false;
  const MonotonicTime start = machine_.clock.Now();
  const auto refused = Vfs().Apply(kVfPlace, "min_rate=0 max_rate=200", Deadline());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("its link is down"));
  EXPECT_EQ(machine_.clock.Now() - start, std::chrono::seconds(5));
}

TEST_F(NetSettings, OnlyARateWaitsAndOnlyWhileThePfIsUp) {
  Pf().peer = false;
  const MonotonicTime start = machine_.clock.Now();
  ASSERT_TRUE(Vfs().Apply(kVfPlace, "spoofchk=off", Deadline()));
  Pf().up = false;
  EXPECT_FALSE(Vfs().Apply(kVfPlace, "max_rate=200", Deadline()));
  EXPECT_EQ(machine_.clock.Now(), start);
}

TEST_F(NetSettings, APfWithoutPeerIsUpAfterFiveSeconds) {
  Pf().up = false;
  Pf().peer = false;
  const MonotonicTime start = machine_.clock.Now();
  ASSERT_TRUE(Up().Apply("0000:02:00.0", "up", Deadline()));
  EXPECT_EQ(machine_.clock.Now() - start, std::chrono::seconds(5));
  EXPECT_EQ(Up().Probe("0000:02:00.0"), "up");
}

TEST_F(NetSettings, WaitingForACarrierKeepsTheDeadline) {
  Pf().peer = false;
  const MonotonicTime deadline = machine_.clock.Now() + std::chrono::seconds(1);
  ASSERT_TRUE(Up().Apply("0000:02:00.0", "up", deadline));
  EXPECT_EQ(machine_.clock.Now(), deadline);
}

TEST_F(NetSettings, AnInterfaceAtHomeIsReadWithoutLookingElsewhere) {
  EXPECT_EQ(Interface().Probe(kVfPlace), "name=enp2s0v1 mtu=1500");
  EXPECT_EQ(Interface().Probe("0000:02:00.0"), "name=enp2s0 mtu=1500");
  EXPECT_EQ(kernel_.lists, 0);
  EXPECT_EQ(kernel_.requests[RTM_GETLINK], 0);
}

TEST_F(NetSettings, AnInterfaceElsewhereIsAway) {
  TakeAway("net1");
  EXPECT_EQ(Interface().Probe(kVfPlace), "away");
}

TEST_F(NetSettings, ANamespaceThatCannotBeEnteredIsPassedOver) {
  kernel_.AddNamespace();
  TakeAway("net1");
  kernel_.Refuse(RTM_GETLINK, EPERM);
  EXPECT_EQ(Interface().Probe(kVfPlace), "away");
}

TEST_F(NetSettings, AFunctionWithoutDriverHasNoInterface) {
  EXPECT_EQ(Interface().Probe("0000:02:00.0/vf0"), "none");
  EXPECT_EQ(kernel_.lists, 1);
  Unbind("0000:02:10.0");
  EXPECT_EQ(Interface().Probe("0000:02:00.0/vf0"), "none");
  EXPECT_EQ(kernel_.lists, 1);
}

TEST_F(NetSettings, WishesForAnInterface) {
  Setting& setting = Interface();
  for (const char* value : {"name=a mtu=1500", "away", "none"}) {
    EXPECT_TRUE(setting.Satisfies(value, "any")) << value;
    EXPECT_TRUE(setting.Satisfies(value, "none")) << value;
    EXPECT_TRUE(setting.Between(value, "none", "any")) << value;
  }
  EXPECT_TRUE(setting.Satisfies("name=a mtu=9000", "mtu=9000"));
  EXPECT_TRUE(setting.Satisfies("away", "mtu=9000"));
  EXPECT_FALSE(setting.Satisfies("name=a mtu=1500", "mtu=9000"));
  EXPECT_FALSE(setting.Satisfies("none", "mtu=9000"));
  EXPECT_TRUE(setting.Satisfies("name=a mtu=1500", "name=a mtu=1500"));
  EXPECT_FALSE(setting.Satisfies("name=b mtu=1500", "name=a mtu=1500"));
  EXPECT_FALSE(setting.Satisfies("name=a mtu=9000", "name=a mtu=1500"));
  EXPECT_FALSE(setting.Satisfies("away", "name=a mtu=1500"));
  EXPECT_FALSE(setting.Satisfies("name=a mtu=1500", "nonsense"));
}

TEST_F(NetSettings, AnMtuIsSetOnceTheInterfaceIsThere) {
  ASSERT_TRUE(Interface().Apply(kVfPlace, "mtu=9000", Deadline()));
  EXPECT_EQ(VfLink().mtu, 9000U);
  events_.later.emplace_back([&] { kernel_.Add({.name = "eth0", .parent = "0000:02:10.0"}); });
  ASSERT_TRUE(Interface().Apply("0000:02:00.0/vf0", "mtu=9000", Deadline()));
  EXPECT_EQ(Interface().Probe("0000:02:00.0/vf0"), "name=eth0 mtu=9000");
}

TEST_F(NetSettings, AWishForAnInterfaceThatIsAwayIsLeftAlone) {
  TakeAway("net1");
  const MonotonicTime start = machine_.clock.Now();
  for (const char* wish : {"any", "mtu=9000"}) {
    ASSERT_TRUE(Interface().Apply(kVfPlace, wish, Deadline())) << wish;
  }
  EXPECT_EQ(machine_.clock.Now(), start);
  EXPECT_EQ(kernel_.requests[RTM_SETLINK], 0);
}

TEST_F(NetSettings, AnInterfaceThatDoesNotComeIsATimeout) {
  const auto applied = Interface().Apply("0000:02:00.0/vf0", "any", Deadline());
  EXPECT_EQ(applied.error().code, Code::kTimeout);
  EXPECT_EQ(applied.error().what, "the network interface of 0000:02:10.0 did not appear in time");
  Unbind("0000:02:10.0");
  EXPECT_EQ(Interface().Apply("0000:02:00.0/vf0", "any", Deadline()).error().code, Code::kConflict);
}

TEST_F(NetSettings, AnMtuThatTheDriverRefusesNamesTheInterface) {
  const auto refused = Interface().Apply(kVfPlace, "mtu=10000", Deadline());
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_THAT(refused.error().what, HasSubstr("enp2s0v1: MTU 10000"));
  EXPECT_THAT(refused.error().what, HasSubstr("mtu greater than device maximum"));
}

TEST_F(NetSettings, AnInterfaceIsPutBackAsItWas) {
  TakeAway("net1");
  VfLink().mtu = 9000;
  ASSERT_TRUE(Interface().Apply(kVfPlace, "name=enp2s0v1 mtu=1500", Deadline()));
  EXPECT_EQ(Interface().Probe(kVfPlace), "name=enp2s0v1 mtu=1500");
  EXPECT_EQ(kernel_.NamespaceOf(vf_), test::FakeRtnetlink::kOwn);
}

TEST_F(NetSettings, NothingIsDoneToGoBackToNone) {
  TakeAway("net1");
  for (const char* value : {"none", "away"}) {
    ASSERT_TRUE(Interface().Apply(kVfPlace, value, Deadline()));
  }
  EXPECT_EQ(kernel_.requests[RTM_SETLINK], 0);
}

TEST(InterfaceStateText, HasOneSpelling) {
  for (const char* text : {"name=enp2s0v3 mtu=1500", "mtu=9000", "name=eth0", "name=a=b mtu=1"}) {
    const auto state = InterfaceState::Parse(text);
    ASSERT_TRUE(state) << text;
    EXPECT_EQ(state->ToString(), text);
  }
  for (const char* bad :
       {"", "any", "none", "away", "name=", "name= mtu=1", "mtu=0", "mtu=-1", "mtu=01",
        "mtu=", "mtu=2147483648", "mtu=1 name=a", "name=a  mtu=1", "name=a mtu=1 ", "name=a ",
        "name=a/b mtu=1", "name=sixteen-letters- mtu=1", "NAME=a"}) {
    EXPECT_EQ(InterfaceState::Parse(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace drapci::hal
