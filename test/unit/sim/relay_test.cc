// The relay between hal::KernelNetlink and the real kernel: in a machine whose only interface that
// the model shares with the kernel is lo's index, which is in every network namespace.
#include "test/sim/front/relay.h"

#include <gmock/gmock.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

#include "test/sim/front/route_socket.h"
#include "test/sim/kernel/rtnetlink.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::HasSubstr;

// Says that the PF's interface is the first one of the real kernel: lo.
struct Loopback : NetDevices {
  std::optional<Interface> Make(const Interface& wanted) override {
    Interface made = wanted;
    made.index = 1;
    made.name = "lo";
    made.carrier = true;
    return made;
  }
  void Remove(std::span<const int>) override {}
  void SetCarrier(int, bool) override {}
};

struct RelayTest : testing::Test {
  RelayTest() {
    FunctionSpec nic = SriovNic("0000:02:00.0");
    nic.sriov->vf_interfaces.clear();
    EXPECT_TRUE(kernel.AddFunction(nic));
    EXPECT_EQ(kernel.Write("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "2"), 0);
    std::string pattern = testing::TempDir() + "relayXXXXXX";
    directory = mkdtemp(pattern.data());
    // A relay serves until the process ends.
    auto relay = std::make_unique<Relay>(kernel, trap, [] {});
    EXPECT_TRUE(relay.release()->Start(directory + "/route.sock"));
  }
  ~RelayTest() override { std::filesystem::remove_all(directory); }
  RelayTest(const RelayTest&) = delete;
  RelayTest& operator=(const RelayTest&) = delete;

  Result<std::vector<hal::NetlinkMessage>> Talk(const RouteRequest& request) {
    return hal::KernelNetlink(directory + "/route.sock").Talk(NETLINK_ROUTE, request.message());
  }
  Result<std::vector<hal::NetlinkMessage>> SetRate(unsigned vf, unsigned rate) {
    RouteRequest request(RTM_SETLINK, 0, 1);
    const size_t list = request.Begin(IFLA_VFINFO_LIST);
    const size_t one = request.Begin(IFLA_VF_INFO);
    const ifla_vf_rate value{.vf = vf, .min_tx_rate = 0, .max_tx_rate = rate};
    request.Put(IFLA_VF_RATE, &value, sizeof value);
    request.End(one);
    request.End(list);
    return Talk(request);
  }
  static std::string Bytes(const hal::NetlinkMessage& message) {
    return {reinterpret_cast<const char*>(message.data()), message.size()};
  }

  // Connections outlive a test: so does what they use.
  Kernel& kernel = *new Kernel({.net_devices = new Loopback});  // NOLINT
  WriteTrap& trap = *new WriteTrap;                             // NOLINT
  std::string directory;
};

TEST_F(RelayTest, CompletesWhatTheKernelSaysOfASimulatedInterface) {
  RouteRequest request(RTM_GETLINK, 0, 1);
  request.PutU32(IFLA_EXT_MASK, RTEXT_FILTER_VF);
  const auto answer = Talk(request);
  ASSERT_TRUE(answer) << answer.error().what;
  ASSERT_EQ(answer->size(), 1U);
  EXPECT_THAT(Bytes(answer->front()), HasSubstr("0000:02:00.0"));
  EXPECT_GT(answer->front().size(), 400U) << "two VFs";
}

TEST_F(RelayTest, PassesADumpOnToItsEnd) {
  RouteRequest request(RTM_GETLINK, NLM_F_DUMP, 0);
  const auto answer = Talk(request);
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_GE(answer->size(), 1U);
}

TEST_F(RelayTest, SetsVfsInTheModel) {
  const auto answer = SetRate(1, 200);
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(kernel.VfSettings(PciAddress::Parse("0000:02:00.0").value())->at(1).max_rate, 200U);
}

TEST_F(RelayTest, GivesTheDriversRefusal) {
  EXPECT_EQ(SetRate(1, 2000).error().sys, EINVAL);
  EXPECT_EQ(SetRate(7, 20).error().sys, EINVAL);
}

TEST_F(RelayTest, GivesInjectedFaults) {
  kernel.faults().FailWrite("/net/0000:02:00.0/vf1/rate", EBUSY);
  EXPECT_EQ(SetRate(1, 200).error().sys, EBUSY);
  EXPECT_TRUE(SetRate(1, 200));
}

TEST_F(RelayTest, InjectedFaultsOfAnInterfaceHaveTheKernelsWordsToo) {
  kernel.faults().FailWrite("/net/*/mtu", ENOMEM);
  RouteRequest request(RTM_SETLINK, 0, 1);
  request.PutU32(IFLA_MTU, 65536);
  const auto answer = Talk(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().sys, ENOMEM);
  EXPECT_THAT(answer.error().what, HasSubstr("netlink: simulated"));
}

TEST_F(RelayTest, PassesTheKernelsRefusalsOn) {
  EXPECT_EQ(Talk(RouteRequest(RTM_GETLINK, 0, 999'999)).error().sys, ENODEV);
  EXPECT_EQ(Talk(RouteRequest(RTM_DELLINK, 0, 1)).error().sys, EOPNOTSUPP) << "hardware";
}

TEST_F(RelayTest, ARelayThatIsNotThereIsAnError) {
  const RouteRequest request(RTM_GETLINK, 0, 1);
  hal::KernelNetlink netlink(directory + "/none.sock");
  const auto answer = netlink.Talk(NETLINK_ROUTE, request.message());
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().what, HasSubstr("netlink relay"));
}

}  // namespace
}  // namespace drapci::sim
