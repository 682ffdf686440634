#include "hal/accel/net_interface.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>

#include "test/unit/net/net_machine.h"

namespace drapci::hal {
namespace {

using testing::HasSubstr;

class NetInterface : public test::NetMachine {
 protected:
  Result<HomeInterface> Bring(std::string_view name) {
    return BringHome(net_host_, test::At(kVf), name, Deadline());
  }
};

TEST_F(NetInterface, IsReadWhereAUdevRuleRenamesItMeanwhile) {
  // Gone between the listing and the look: found under its next name.
  class Renaming : public Sysfs {
   public:
    Renaming(Sysfs& base, std::string& name) : base_(base), name_(name) {}
    Result<std::string> Read(std::string_view path) const override {
      if (path.ends_with("/enp2s0v1/ifindex")) name_ = "fast0";
      return base_.Read(path);
    }
    Result<> Write(std::string_view path, std::string_view value) override {
      return base_.Write(path, value);
    }
    Result<std::vector<std::string>> List(std::string_view path) const override {
      return base_.List(path);
    }
    Result<std::string> ReadLink(std::string_view path) const override {
      return base_.ReadLink(path);
    }
    Result<std::string> Resolve(std::string_view path) const override {
      return base_.Resolve(path);
    }
    bool Exists(std::string_view path) const override { return base_.Exists(path); }

   private:
    Sysfs& base_;
    std::string& name_;
  } sysfs(*sysfs_, VfLink().name);
  const auto home = FindAtHome(sysfs, test::At(kVf));
  ASSERT_TRUE(home) << home.error().what;
  EXPECT_EQ((*home)->name, "fast0");
  EXPECT_EQ((*home)->index, vf_);
}

TEST_F(NetInterface, ThatIsAtHomeStaysThere) {
  const auto home = Bring("other");
  ASSERT_TRUE(home);
  EXPECT_EQ(home->name, "enp2s0v1");
  EXPECT_EQ(kernel_.requests[RTM_SETLINK], 0);
  EXPECT_EQ(kernel_.lists, 0);
}

TEST_F(NetInterface, ComesHomeUnderItsOldName) {
  TakeAway("net1");
  const auto home = Bring("enp2s0v1");
  ASSERT_TRUE(home) << home.error().what;
  EXPECT_EQ(home->name, "enp2s0v1");
  EXPECT_EQ(kernel_.NamespaceOf(vf_), test::FakeRtnetlink::kOwn);
}

TEST_F(NetInterface, ComesHomeThoughItsNameAwayIsTakenHere) {
  kernel_.Add({.name = "eth0"});
  TakeAway("eth0");
  EXPECT_EQ(Bring("enp2s0v1")->name, "enp2s0v1");
}

TEST_F(NetInterface, WhoseOldNameIsTakenComesHomeUnderTheOneItHas) {
  kernel_.Add({.name = "enp2s0v1", .parent = "0000:03:00.0"});
  TakeAway("net1");
  const auto home = Bring("enp2s0v1");
  ASSERT_TRUE(home) << home.error().what;
  EXPECT_EQ(home->name, "net1");
}

TEST_F(NetInterface, WhoseNamesAreBothTakenComesHomeUnderAFreeOne) {
  kernel_.Add({.name = "enp2s0v1", .parent = "0000:03:00.0"});
  kernel_.Add({.name = "eth0"});
  kernel_.Add({.name = "dev0"});
  TakeAway("eth0");
  const auto home = Bring("enp2s0v1");
  ASSERT_TRUE(home) << home.error().what;
  EXPECT_THAT(home->name, testing::StartsWith("dev"));
  EXPECT_EQ(kernel_.NamespaceOf(vf_), test::FakeRtnetlink::kOwn);
}

TEST_F(NetInterface, OfAnEndedNamespaceIsWaitedFor) {
  kernel_.End(TakeAway("net1"));
  events_.later.emplace_back([] {});
  events_.later.emplace_back([&] { kernel_.Return(); });
  const auto home = Bring("enp2s0v1");
  ASSERT_TRUE(home) << home.error().what;
  EXPECT_EQ(home->name, "net1");
}

TEST_F(NetInterface, ThatLeavesByItselfWhileItIsFetchedIsWaitedFor) {
  const int away = TakeAway("net1");
  kernel_.before = [&](uint16_t type) {
    if (type == RTM_SETLINK) kernel_.End(away);
  };
  kernel_.Refuse(RTM_SETLINK, ENODEV);
  events_.later.emplace_back([&] { kernel_.Return(); });
  EXPECT_EQ(Bring("enp2s0v1")->name, "net1");
}

TEST_F(NetInterface, ThatNeverComesIsATimeout) {
  kernel_.End(TakeAway("net1"));
  EXPECT_EQ(Bring("enp2s0v1").error().code, Code::kTimeout);
}

TEST_F(NetInterface, ThatCannotBeMovedKeepsTheReason) {
  const int away = TakeAway("net1");
  for (const int error : {EPERM, EBUSY, EINVAL}) {
    kernel_.Refuse(RTM_SETLINK, error, "no");
    const auto home = Bring("enp2s0v1");
    EXPECT_EQ(home.error().sys, error);
    EXPECT_THAT(home.error().what, HasSubstr("bring 'net1' of 0000:02:10.2 home: "));
    EXPECT_EQ(kernel_.NamespaceOf(vf_), away);
  }
}

TEST_F(NetInterface, OfAFunctionWithoutDriverIsGone) {
  kernel_.Remove(vf_);
  Unbind(kVf);
  EXPECT_EQ(Bring("enp2s0v1").error().code, Code::kGone);
  Store("/sys/bus/pci/devices/0000:02:10.2/driver_override", "vfio-pci");
  Store("/sys/bus/pci/drivers_probe", kVf);
  ASSERT_EQ(State(kVf).driver, "vfio-pci");
  EXPECT_EQ(Bring("enp2s0v1").error().code, Code::kGone);
}

TEST_F(NetInterface, IsRenamedWhileItIsUpAlsoOnKernelsThatRefuseThat) {
  for (const bool live : {true, false}) {
    VfLink().live_rename = live;
    const std::string name = live ? "one" : "two";
    const HomeInterface now{.name = VfLink().name, .index = vf_, .mtu = 1500};
    ASSERT_TRUE(Rename(net_host_, now, name));
    EXPECT_EQ(VfLink().name, name);
    EXPECT_TRUE(VfLink().up);
  }
}

TEST_F(NetInterface, WhoseNameIsTakenSaysWhatToDo) {
  const auto renamed = Rename(net_host_, {.name = "enp2s0v1", .index = vf_, .mtu = 1500}, "enp2s0");
  EXPECT_EQ(renamed.error().code, Code::kConflict);
  EXPECT_EQ(renamed.error().what,
            "'enp2s0v1' cannot have its name 'enp2s0' back, which another network interface has "
            "now; rename it by hand");
}

}  // namespace
}  // namespace drapci::hal
