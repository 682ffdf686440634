// The network settings on a real card: `DRAPCI_TEST_PF=0000:01:00.0 net_test`, as root, with an
// SR-IOV NIC at that address that nobody needs (the VM tier's igb). Skipped without the variable.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "hal/accel/match.h"
#include "hal/accel/net_interface.h"
#include "hal/accel/net_settings.h"
#include "hal/accel/pci_settings.h"

namespace drapci::hal {
namespace {

using testing::HasSubstr;

// A process with a network namespace of its own, which ends with it.
class Tenant {
 public:
  Tenant() {
    int ready[2] = {};
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const char done = ::unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
      if (::write(ready[1], &done, 1) == 1) ::pause();
      ::_exit(0);
    }
    char done = 'n';
    EXPECT_EQ(::read(ready[0], &done, 1), 1);
    EXPECT_EQ(done, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  ~Tenant() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  UniqueFd Namespace() const {
    return UniqueFd(::open(fmt::format("/proc/{}/ns/net", process_).c_str(), O_RDONLY | O_CLOEXEC));
  }

 private:
  pid_t process_ = 0;
};

class KernelPf : public testing::Test {
 protected:
  void SetUp() override {
    const char* pf = std::getenv("DRAPCI_TEST_PF");
    if (pf == nullptr) GTEST_SKIP() << "DRAPCI_TEST_PF names no card";
    pf_ = pf;
    auto events = MakeUdevEvents();
    ASSERT_TRUE(events) << events.error().what;
    events_ = *std::move(events);
    host_ = std::make_unique<Host>(Host{.sysfs = sysfs_,
                                        .dev = dev_,
                                        .netlink = netlink_,
                                        .namespaces = namespaces_,
                                        .events = *events_,
                                        .clock = clock_});
    table_ = MakeSettings(*host_);
    vf_ = pf_ + "/vf0";
    Apply(kSriovSetting, pf_, "vfs=2 autoprobe=1");
    Apply(kUpSetting, pf_, "up");
  }
  void TearDown() override {
    if (!table_.empty()) Apply(kSriovSetting, pf_, "vfs=0 autoprobe=1");
  }

  Setting& Of(std::string_view setting) { return *table_.find(setting)->second; }
  std::string Probe(std::string_view setting, const std::string& target) {
    const auto value = Of(setting).Probe(target);
    return value ? *value : value.error().what;
  }
  // As the executor does it: applied, and seen to hold.
  void Apply(std::string_view setting, const std::string& target, std::string_view value) {
    const auto done = Of(setting).Apply(target, value, clock_.Now() + std::chrono::seconds(30));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(Of(setting).Satisfies(Probe(setting, target), value)) << Probe(setting, target);
  }
  // The VF's interface, once udev has done with it.
  HomeInterface VfInterface() {
    EXPECT_EQ(std::system("udevadm settle --timeout=60"), 0);
    const auto address = FunctionPlace::Parse(vf_)->Find(sysfs_);
    const auto home = WaitAtHome(*host_, *address, clock_.Now() + std::chrono::seconds(30));
    EXPECT_TRUE(home);
    return home.value_or(HomeInterface());
  }
  std::string pf_, vf_;
  KernelSysfs sysfs_;
  KernelDevIo dev_;
  KernelNetlink netlink_;
  KernelNetworkNamespaces namespaces_;
  SystemClock clock_;
  std::unique_ptr<DeviceEvents> events_;
  std::unique_ptr<Host> host_;
  SettingTable table_;
};

TEST_F(KernelPf, TakesTheSettingsOfItsVfsAndTakesThemBack) {
  const std::string before = Probe(kVfSetting, vf_);
  EXPECT_EQ(VfSettings::Parse(before), VfSettings::Parse(before)->Defaults()) << before;
  Apply(kVfSetting, vf_, "mac=02:11:22:33:44:55 vlan=100 qos=3 max_rate=200 spoofchk=off trust=on");
  Apply(kVfSetting, vf_, before);
  EXPECT_EQ(Probe(kVfSetting, vf_), before);
  EXPECT_EQ(Of(kVfSetting).Probe(pf_ + "/vf2").error().code, Code::kGone);
}

TEST_F(KernelPf, RefusesARateAboveItsLinksAndSaysSo) {
  const auto refused = Of(kVfSetting).Apply(vf_, "max_rate=20000", clock_.Now());
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_THAT(refused.error().what, HasSubstr("tx rate 20000 Mbit/s of VF 0 of "));
  EXPECT_THAT(refused.error().what, HasSubstr(": EINVAL (Invalid argument)"));
  EXPECT_THAT(refused.error().what, HasSubstr(" runs at 1000 Mbit/s"));
}

TEST_F(KernelPf, GetsTheInterfaceOfAVfBackFromAnotherNamespace) {
  Apply(kDriverSetting, vf_, kKernelDriver);
  const HomeInterface home = VfInterface();
  Apply(kInterfaceSetting, vf_, "mtu=1400");
  const std::string before = Probe(kInterfaceSetting, vf_);
  const Tenant tenant;
  ASSERT_TRUE(MoveLink(netlink_, home.index, tenant.Namespace().get(), "net1"));
  EXPECT_EQ(Probe(kInterfaceSetting, vf_), "away");
  Apply(kInterfaceSetting, vf_, "mtu=1400");
  Apply(kInterfaceSetting, vf_, before);
}

TEST_F(KernelPf, GetsTheInterfaceOfAVfBackFromANamespaceThatEnds) {
  Apply(kDriverSetting, vf_, kKernelDriver);
  const HomeInterface home = VfInterface();
  const std::string before = Probe(kInterfaceSetting, vf_);
  {
    const Tenant tenant;
    ASSERT_TRUE(MoveLink(netlink_, home.index, tenant.Namespace().get(), "net1"));
  }
  Apply(kInterfaceSetting, vf_, before);
}

}  // namespace
}  // namespace drapci::hal
