// One daemon in the place of another (contract section 10.1, case 8). There is one instance at a
// time: the journal belongs to it. So what rolling updates are for is had by the sockets: they stay
// with the service manager, and calls wait there for the next daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"
#include "test/node/kubelet/plugin_manager.h"
#include "test/node/kubelet/service_manager.h"

namespace drapci::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Update : public KubeletNode {
 protected:
  Result<Plugin> Register() const {
    return PluginManager(scratch_.kubelet_root).Register(RegistrationSocket(scratch_.kubelet_root));
  }
  std::string Service() const { return ServiceSocket(scratch_.kubelet_root); }
  // A new version of the daemon, started with other options beside the one that serves.
  static Node Newcomer(const Scratch& scratch, const std::string& config) {
    return {Programs::FromEnvironment(), scratch, {"--config", config}};
  }
};

// Contract 10.1 case 8.
TEST_F(Update, ThatFailsLeavesTheOldDaemonServing) {
  PluginManager kubelet(scratch_.kubelet_root);
  const auto plugin = Register();
  ASSERT_TRUE(plugin) << plugin.error().what;
  const ClaimObject held = VfClaim(0), next = VfClaim(1);
  ASSERT_TRUE(PrepareOn(plugin->service, held));
  const auto connection = Connections(Service());
  EXPECT_THAT(connection, SizeIs(1));
  const HardwareImage hardware = ReadHardware();

  // New instances die of: their configuration, the journal that is in use, the sockets that are.
  Scratch same;
  same.state_dir = scratch_.state_dir;
  same.cdi_dir = scratch_.cdi_dir;
  same.kubelet_root = scratch_.kubelet_root;
  EXPECT_THAT(RefusalOf(Newcomer(same, scratch_.Write("bad.yaml", "kubeletRoot: [1]\n"))),
              AllOf(HasSubstr("bad.yaml:1"), HasSubstr("kubeletRoot")));
  EXPECT_THAT(RefusalOf(Newcomer(same, scratch_.Write("good.yaml", ""))),
              AllOf(HasSubstr("journal.lock"), HasSubstr("another drapcid")));
  Scratch own_state;
  own_state.cdi_dir = scratch_.cdi_dir;
  own_state.kubelet_root = scratch_.kubelet_root;
  EXPECT_THAT(RefusalOf(Newcomer(own_state, scratch_.Write("good.yaml", ""))),
              AllOf(HasSubstr(Service()), HasSubstr("another process serves this socket")));

  EXPECT_THAT(kubelet.Events(), IsEmpty()) << "the kubelet must not notice";
  EXPECT_TRUE(Soon([&] { return Connections(Service()) == connection; }))
      << "theirs have ended, the kubelet's goes on";
  EXPECT_EQ(Differences(hardware, ReadHardware()), "");
  EXPECT_THAT(node_.CdiFiles(), SizeIs(1));
  EXPECT_TRUE(PrepareOn(plugin->service, next));
  EXPECT_TRUE(node_.CliDo({"verify"}));
  EXPECT_TRUE(UnprepareOn(plugin->service, next));
  EXPECT_TRUE(UnprepareOn(plugin->service, held));
}

// Contract 10.1 case 8. That slices stay untouched:
// Slices.AreLeftAloneByAQuickRestartAndByPrepares.
TEST_F(Update, FindsRegistrationClaimsAndHardwareAsTheOldDaemonHadThem) {
  PluginManager kubelet(scratch_.kubelet_root);
  const ClaimObject claim = VfClaim(0);
  const auto old = Register();
  ASSERT_TRUE(old) << old.error().what;
  const auto answer = PrepareOn(old->service, claim);
  ASSERT_TRUE(answer) << answer.error().what;
  const std::string cdi_file = scratch_.cdi_dir + "/" + node_.CdiFiles().at(0);
  struct stat before{}, after{};
  ASSERT_EQ(stat(cdi_file.c_str(), &before), 0);
  const HardwareImage hardware = ReadHardware();
  Inject({"writes", "--reset"});

  const auto begin = std::chrono::steady_clock::now();
  Restart();
  // Then a kubelet deletes the slices of a driver that has not come back.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_THAT(kubelet.Events(), ElementsAre("-dra.pci-reg.sock", "+dra.pci-reg.sock"));
  const auto writes = RunCommand({node_.programs().sim, "inject", "writes"});
  ASSERT_TRUE(writes);
  EXPECT_THAT(writes->out, HasSubstr("0 writes")) << "nothing was done to the hardware";
  EXPECT_EQ(Differences(hardware, ReadHardware()), "");
  ASSERT_EQ(stat(cdi_file.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);

  const auto now = Register();
  ASSERT_TRUE(now) << now.error().what;
  EXPECT_EQ(now->info.SerializeAsString(), old->info.SerializeAsString());
  EXPECT_EQ(PrepareOn(now->service, claim).value_or("an error"), *answer);
  EXPECT_TRUE(UnprepareOn(now->service, claim));
}

// Contract 10.1 case 8. Under systemd and a steady stream of calls: test/service/tests/calls.sh.
TEST_F(Update, IsWaitedForByCallsWhenTheSocketsAreKept) {
  ASSERT_TRUE(node_.Stop());
  ServiceManager systemd(node_);
  const auto first = systemd.Start();
  ASSERT_TRUE(first) << first.error().what;
  EXPECT_EQ(systemd.Kept(), "control,dra,registration");
  const ClaimObject held = VfClaim(0), next = VfClaim(1);
  PluginManager kubelet(scratch_.kubelet_root);
  const auto old = Register();
  ASSERT_TRUE(old) << old.error().what;
  const auto answer = PrepareOn(old->service, held);
  ASSERT_TRUE(answer) << answer.error().what;

  systemd.Signal(SIGKILL);
  ASSERT_TRUE(systemd.WaitEnded());
  Result<std::string> repeated, begun;
  std::jthread first_caller([&] { repeated = PrepareOn(Dial(Service()), held); });
  std::jthread second_caller([&] { begun = PrepareOn(Dial(Service()), next); });
  EXPECT_TRUE(Soon([this] { return Waiting(Service()) == 2; })) << "they wait";
  // The update fails, and is taken back.
  scratch_.Write("config.yaml", "no such key: 1\n");
  EXPECT_FALSE(systemd.Start());
  EXPECT_EQ(systemd.Kept(), "control,dra,registration");
  EXPECT_EQ(Waiting(Service()), 2) << "they wait still";
  scratch_.Write("config.yaml", "");
  const auto second = systemd.Start();
  ASSERT_TRUE(second) << second.error().what;
  first_caller.join();
  second_caller.join();
  EXPECT_EQ(repeated.value_or("an error"), *answer);
  EXPECT_TRUE(begun) << begun.error().what;

  EXPECT_THAT(kubelet.Events(), IsEmpty()) << "the sockets were there all the time";
  const auto now = Register();
  ASSERT_TRUE(now) << now.error().what;
  EXPECT_EQ(now->info.SerializeAsString(), old->info.SerializeAsString());
  EXPECT_TRUE(UnprepareOn(now->service, next));
  EXPECT_TRUE(UnprepareOn(now->service, held));
  EXPECT_TRUE(node_.CliDo({"verify"}));
  // Who is stopped for good takes its sockets along.
  systemd.Signal(SIGTERM);
  EXPECT_EQ(systemd.WaitEnded().value_or(-1), 0);
  EXPECT_THAT(kubelet.Sockets(), IsEmpty());
}

}  // namespace
}  // namespace drapci::test
