// Drivers beside each other on one node, long driver names, other kubelet roots (contract section
// 10.1, cases 7, 9 and 10).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"
#include "test/node/kubelet/plugin_manager.h"

namespace drapci::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// The configuration of a driver that leaves a card to others.
std::string WithoutCard(size_t card, const std::string& driver_name = "dra.pci") {
  const auto cards = PhysicalFunctions();
  return fmt::format(
      "driverName: {}\naccelerators:\n- match: {{address: \"{}\"}}\n  enabled: false\n",
      driver_name, card < cards.size() ? cards[card] : "");
}

ino_t Inode(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

constexpr const char* kOther = "other.example.com";

// dra.pci with the first card, another driver with the second, one kubelet.
class TwoDrivers : public KubeletNode {
 protected:
  TwoDrivers()
      : KubeletNode(WithoutCard(1)),
        other_(Programs::FromEnvironment(), Shared(other_scratch_, scratch_),
               {"--claim-directory", scratch_.claim_dir, "--config",
                other_scratch_.Write("config.yaml", WithoutCard(0, kOther))}) {}
  void SetUp() override {
    ASSERT_EQ(PhysicalFunctions().size(), 2u) << "this test needs a board with two cards";
    KubeletNode::SetUp();
    const auto started = other_.Start();
    ASSERT_TRUE(started) << started.error().what;
    other_claim_ = Put({.uid = "00000000-0000-4000-9000-000000000000",
                        .name = "other",
                        .results = {{.request = "nic",
                                     .device = DeviceNameOf(PhysicalFunctions()[1]) + "-vf0",
                                     .driver = kOther}}});
  }
  void TearDown() override {
    if (other_.running()) {
      EXPECT_EQ(other_.CliDone({"claims"}).value_or(""), "No claims are held.\n");
      EXPECT_TRUE(other_.CliDo({"verify"}));
      EXPECT_TRUE(other_.Stop());
    }
    KubeletNode::TearDown();
  }
  Plugin Registered(const std::string& driver) const {
    const PluginManager kubelet(scratch_.kubelet_root);
    auto plugin = kubelet.Register(RegistrationSocket(scratch_.kubelet_root, driver));
    EXPECT_TRUE(plugin) << plugin.error().what;
    return plugin.value_or(Plugin{});
  }
  void ExpectPrepared(const Plugin& plugin, const ClaimObject& claim) {
    const auto prepared = PrepareOn(plugin.service, claim);
    EXPECT_TRUE(prepared) << prepared.error().what;
  }
  void ExpectReleased(const Plugin& plugin, const ClaimObject& claim) {
    const auto released = UnprepareOn(plugin.service, claim);
    EXPECT_TRUE(released) << released.error().what;
  }
  const std::string FirstVfs() const { return "*/" + PhysicalFunctions()[0] + "/sriov_numvfs"; }

  Scratch other_scratch_;
  Node other_;
  ClaimObject other_claim_;

 private:
  static const Scratch& Shared(Scratch& other, const Scratch& scratch) {
    other.kubelet_root = scratch.kubelet_root;
    other.cdi_dir = scratch.cdi_dir;
    return other;
  }
};

// Contract 10.1 case 7.
TEST_F(TwoDrivers, ServeTheirOwnClaimsWhateverBecomesOfTheOther) {
  const ClaimObject claim = VfClaim(0);
  const Plugin mine = Registered("dra.pci");
  const Plugin others = Registered(kOther);
  ExpectPrepared(mine, claim);
  ExpectPrepared(others, other_claim_);
  const auto connection = Connections(ServiceSocket(scratch_.kubelet_root, kOther));
  const ino_t service = Inode(ServiceSocket(scratch_.kubelet_root, kOther));
  const ino_t registration = Inode(RegistrationSocket(scratch_.kubelet_root, kOther));

  for (const bool crash : {true, false}) {
    ASSERT_TRUE(crash ? node_.Kill() : node_.Stop());
    EXPECT_FALSE(PrepareOn(mine.service, claim)) << "nobody is there";
    ExpectPrepared(others, other_claim_);
    ExpectReleased(others, other_claim_);
    ExpectPrepared(others, other_claim_);
    ASSERT_TRUE(node_.Start());
    ExpectPrepared(others, other_claim_);
    ExpectPrepared(Registered("dra.pci"), claim);
  }
  EXPECT_EQ(Connections(ServiceSocket(scratch_.kubelet_root, kOther)), connection);
  EXPECT_EQ(Inode(ServiceSocket(scratch_.kubelet_root, kOther)), service);
  EXPECT_EQ(Inode(RegistrationSocket(scratch_.kubelet_root, kOther)), registration);
  EXPECT_EQ(node_.CdiFiles().size(), 2u);
  EXPECT_TRUE(node_.CliDo({"verify"}));
  EXPECT_TRUE(other_.CliDo({"verify"}));
  ExpectReleased(Registered("dra.pci"), claim);
  ExpectReleased(others, other_claim_);
}

// Contract 10.1 case 7.
TEST_F(TwoDrivers, RefuseEachOthersClaimsAndThoseAreNotLost) {
  const auto refused = PrepareOn(Registered("dra.pci").service, other_claim_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("dra.pci"));
  ExpectPrepared(Registered(kOther), other_claim_);
  ExpectReleased(Registered("dra.pci"), other_claim_);
  EXPECT_EQ(other_.ClaimState(other_claim_.name).value_or(""), "prepared");
  ExpectReleased(Registered(kOther), other_claim_);
}

// Contract 10.1 case 7.
TEST_F(TwoDrivers, LeaveTheSocketsOfOthersWhereTheyAre) {
  const std::string registry = scratch_.kubelet_root + "/plugins_registry/";
  const std::string plugins = scratch_.kubelet_root + "/plugins/";
  fs::create_directories(plugins + "csi.example.com");
  const std::vector<std::string> paths{
      registry + "csi.example.com-reg.sock", registry + "dra.pci.example.com-reg.sock",
      registry + ".dra.pci-reg.sock", plugins + "csi.example.com/csi.sock",
      plugins + "dra.pci/dra-1.sock"};
  std::vector<ino_t> inodes;
  std::vector<UniqueFd> sockets;
  for (const std::string& path : paths) {
    sockets.push_back(RawSocket(path, bind));
    ASSERT_TRUE(sockets.back()) << path;
    inodes.push_back(Inode(path));
  }
  ASSERT_EQ(listen(sockets.front().get(), 8), 0);  // one is served, the others are dead
  for (const bool crash : {true, false}) {
    ASSERT_TRUE(crash ? node_.Kill() : node_.Stop());
    ASSERT_TRUE(node_.Start());
  }
  for (size_t i = 0; i < paths.size(); ++i) EXPECT_EQ(Inode(paths[i]), inodes[i]) << paths[i];
  EXPECT_TRUE(RawSocket(paths.front(), connect));
}

// Contract 10.1 case 7.
TEST_F(TwoDrivers, FinishAPrepareThatARestartOfTheKubeletHasInterrupted) {
  const ClaimObject claim = VfClaim(0);
  Inject({"hold", FirstVfs()});
  {
    const Plugin plugin = Registered("dra.pci");
    const auto interrupted = PrepareOn(plugin.service, claim, std::chrono::seconds(1));
    ASSERT_FALSE(interrupted);
    EXPECT_EQ(interrupted.error().code, Code::kTimeout) << interrupted.error().what;
  }
  EXPECT_TRUE(IsSoon(claim, "preparing"));
  // The kubelet is back, and repeats what it had no answer to.
  const Plugin mine = Registered("dra.pci");
  const Plugin others = Registered(kOther);
  std::jthread repeated([&] { ExpectPrepared(mine, claim); });
  ExpectPrepared(others, other_claim_);  // which waits for nobody
  ExpectReleased(others, other_claim_);
  Inject({"release", FirstVfs()});
  repeated.join();
  EXPECT_TRUE(node_.CliDo({"verify"}));
  ExpectReleased(mine, claim);
}

// Contract 10.1 case 7.
TEST_F(TwoDrivers, FinishAnUnprepareThatARestartOfTheKubeletHasInterrupted) {
  const ClaimObject claim = VfClaim(0);
  ExpectPrepared(Registered("dra.pci"), claim);
  Inject({"hold", FirstVfs()});
  {
    const Plugin plugin = Registered("dra.pci");
    const auto interrupted = UnprepareOn(plugin.service, claim, std::chrono::seconds(1));
    ASSERT_FALSE(interrupted);
    EXPECT_EQ(interrupted.error().code, Code::kTimeout) << interrupted.error().what;
  }
  EXPECT_TRUE(IsSoon(claim, "unpreparing"));
  const Plugin mine = Registered("dra.pci");
  const Plugin others = Registered(kOther);
  std::jthread repeated([&] { ExpectReleased(mine, claim); });
  ExpectPrepared(others, other_claim_);
  ExpectReleased(others, other_claim_);
  Inject({"release", FirstVfs()});
  repeated.join();
  EXPECT_EQ(node_.ClaimState(claim.name).value_or("an error"), "");
}

// Daemons that the tests configure themselves.
class Names : public testing::Test {
 protected:
  static std::string ShortRoot(std::string pattern) {
    return mkdtemp(pattern.data()) == nullptr ? "/nonexistent" : pattern;
  }
  // A daemon with all its directories in `scratch`, but for the kubelet's.
  static Node Daemon(Scratch& scratch, const std::string& kubelet_root, const std::string& config) {
    scratch.kubelet_root = kubelet_root;
    return {
        Programs::FromEnvironment(),
        scratch,
        {"--claim-directory", scratch.claim_dir, "--config", scratch.Write("config.yaml", config)}};
  }
  // It can be registered as `driver`, and a VF of the card be prepared and released.
  static void ExpectItWorks(const Node& node, const PluginManager& kubelet,
                            const std::string& socket, const std::string& driver, size_t card) {
    const auto plugin = kubelet.Register(socket);
    ASSERT_TRUE(plugin) << plugin.error().what;
    EXPECT_EQ(plugin->info.name(), driver);
    const std::string device = DeviceNameOf(PhysicalFunctions().at(card)) + "-vf0";
    const ClaimObject claim{.uid = fmt::format("00000000-0000-4000-a000-{:012}", card),
                            .name = "claim",
                            .results = {{.request = "nic", .device = device, .driver = driver}}};
    PutClaim(node.scratch().claim_dir, claim);
    const auto prepared = PrepareOn(plugin->service, claim);
    EXPECT_TRUE(prepared) << prepared.error().what;
    EXPECT_THAT(prepared.value_or(""), HasSubstr(driver + "/claim=" + device));
    const auto released = UnprepareOn(plugin->service, claim);
    EXPECT_TRUE(released) << released.error().what;
  }

  Scratch scratch_;
};

// Contract 10.1 case 9.
TEST_F(Names, OfTheGreatestLengthGiveShortSocketsThatAreDistinctAndStayTheSame) {
  const std::string names[] = {std::string(62, 'd') + "a", std::string(62, 'd') + "b"};
  // Long enough that "plugins_registry" and such a name go beyond the limit of a socket's path.
  const std::string root = ShortRoot("/run/drapci-long-XXXXXX");
  Scratch other_scratch;
  Node nodes[] = {Daemon(scratch_, root, WithoutCard(1, names[0])),
                  Daemon(other_scratch, root, WithoutCard(0, names[1]))};
  PluginManager kubelet(root);
  std::vector<std::string> first;
  for (int round = 0; round < 2; ++round) {
    std::vector<std::string> sockets;
    for (size_t i = 0; i < 2; ++i) {
      const auto started = nodes[i].Start();
      ASSERT_TRUE(started) << started.error().what;
      const auto events = kubelet.Events();
      ASSERT_THAT(events, ElementsAre(StartsWith("+")));
      sockets.push_back(fmt::format("{}/plugins_registry/{}", root, events[0].substr(1)));
      EXPECT_LE(sockets[i].size(), 107u);
    }
    for (size_t i = 0; i < 2; ++i) {
      ExpectItWorks(nodes[i], kubelet, sockets[i], names[i], i);
      ASSERT_TRUE(nodes[i].Stop());
    }
    EXPECT_THAT(kubelet.Events(), SizeIs(2));
    EXPECT_NE(sockets[0], sockets[1]);
    if (round == 0) first = sockets;
    EXPECT_EQ(sockets, first);
  }
  fs::remove_all(root);
}

// Contract 10.1 case 9.
TEST_F(Names, ThatFitBelowNoKubeletRootAreRefusedWithPathAndLimit) {
  const std::string name(63, 'd');
  const Node node = Daemon(scratch_, scratch_.kubelet_root + "/deeper", "driverName: " + name);
  EXPECT_THAT(RefusalOf(node), AllOf(HasSubstr("/kubelet/deeper/plugins/" + name),
                                     HasSubstr("the system allows 107")));
}

// Contract 10.1 case 10.
TEST_F(Names, OfAKubeletRootInTheConfigurationAreUsedAlsoThroughALink) {
  // As k3s and microk8s have it: not below /var/lib/kubelet, moved, with a link in its place.
  const std::string moved = scratch_.root + "/data/agent/kubelet", root = scratch_.root + "/link";
  fs::create_directories(moved);
  fs::create_directory_symlink(moved, root);
  const std::string driver = "moved.example.com";
  Node node = Daemon(scratch_, "", fmt::format("driverName: {}\nkubeletRoot: {}/\n", driver, root));
  const auto started = node.Start();
  ASSERT_TRUE(started) << started.error().what;
  const PluginManager kubelet(root);
  ExpectItWorks(node, kubelet, RegistrationSocket(root, driver), driver, 0);
  EXPECT_TRUE(fs::is_socket(ServiceSocket(moved, driver)));
  EXPECT_FALSE(fs::exists("/var/lib/kubelet/plugins/" + driver));
  EXPECT_FALSE(fs::exists(RegistrationSocket("/var/lib/kubelet", driver)));
  ASSERT_TRUE(node.Stop());
  EXPECT_THAT(kubelet.Sockets(), IsEmpty());
}

}  // namespace
}  // namespace drapci::test
