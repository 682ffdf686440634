// Devlink of a simulated card by hal::KernelNetlink and the relay of drapci-sim.
#include "test/sim/front/generic_relay.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "hal/net/devlink.h"
#include "test/sim/board/board.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using hal::Devlink;
using hal::EswitchMode;
using testing::HasSubstr;
using testing::SizeIs;

struct GenericRelayTest : testing::Test {
  GenericRelayTest() {
    const auto board = LoadBoard("smartnic", DRAPCI_SIM_BOARD_DIR);
    EXPECT_TRUE(board && Install(kernel, {*board}));
    std::string pattern = testing::TempDir() + "relayXXXXXX";
    directory = mkdtemp(pattern.data());
    // A relay serves until the process ends.
    auto relay = std::make_unique<GenericRelay>(kernel, trap, [] {});
    EXPECT_TRUE(relay.release()->Start(directory + "/route.sock-generic"));
  }
  ~GenericRelayTest() override { std::filesystem::remove_all(directory); }
  GenericRelayTest(const GenericRelayTest&) = delete;
  GenericRelayTest& operator=(const GenericRelayTest&) = delete;

  // Connections outlive a test: so does what they use.
  Kernel& kernel = *new Kernel;      // NOLINT
  WriteTrap& trap = *new WriteTrap;  // NOLINT
  std::string directory;
  const hal::DevlinkDevice device{"pci", "0000:03:00.0"};
};

TEST_F(GenericRelayTest, AnswersForTheModel) {
  hal::KernelNetlink netlink(directory + "/route.sock");
  const auto devlink = Devlink::Open(netlink);
  ASSERT_TRUE(devlink) << devlink.error().what;
  EXPECT_THAT(devlink->Devices().value(), SizeIs(1));
  EXPECT_EQ(devlink->Eswitch(device).value(), EswitchMode::kLegacy);
  EXPECT_THAT(devlink->HealthReporters(device).value(), SizeIs(4));
  EXPECT_THAT(devlink->Rates(device).value(), SizeIs(0));
  EXPECT_EQ(devlink->Eswitch({"pci", "0000:04:00.0"}).error().sys, ENODEV);
}

TEST_F(GenericRelayTest, LetsOnlyRootChangeAnything) {
  hal::KernelNetlink netlink(directory + "/route.sock");
  const auto devlink = Devlink::Open(netlink);
  ASSERT_TRUE(devlink) << devlink.error().what;
  const auto done = devlink->SetEswitch(device, EswitchMode::kSwitchdev);
  if (::getuid() != 0) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sys, EPERM);
    return;
  }
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(devlink->Eswitch(device).value(), EswitchMode::kSwitchdev);
  EXPECT_THAT(devlink->AddRateNode(device, "7", {}).error().what, HasSubstr("EINVAL"));
  const auto sub = devlink->AddSubFunction(device, 0, 3);
  ASSERT_TRUE(sub) << sub.error().what;
  EXPECT_EQ(sub->sf, 3U);
  EXPECT_THAT(devlink->AddSubFunction(device, 0, 3).error().what,
              HasSubstr("SF already exist. Choose different sfnum"));
}

}  // namespace
}  // namespace drapci::sim
