// hal/net/devlink on the kernel's own devlink, with its driver without hardware (netdevsim).
// DRAPCI_TEST_NETDEVSIM names a device of it that may be changed, with two VFs: "netdevsim7".
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "hal/base/unique_fd.h"
#include "hal/net/devlink.h"
#include "hal/net/link.h"

namespace drapci::hal {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kMegabit = 125'000;

class KernelDevlink : public testing::Test {
 protected:
  void SetUp() override {
    const char* name = std::getenv("DRAPCI_TEST_NETDEVSIM");
    if (name == nullptr) GTEST_SKIP() << "DRAPCI_TEST_NETDEVSIM names no device";
    device_ = {.bus = "netdevsim", .name = name};
    auto devlink = Devlink::Open(netlink_);
    ASSERT_TRUE(devlink) << devlink.error().what;
    devlink_.emplace(*devlink);
  }
  void TearDown() override {
    if (!devlink_) return;
    for (const DevlinkRate& rate : devlink_->Rates(device_).value_or(std::vector<DevlinkRate>())) {
      if (rate.port) {
        EXPECT_TRUE(devlink_->SetLeafRate(device_, *rate.port, {.parent = ""}));
      }
      if (!rate.node.empty()) {
        EXPECT_TRUE(devlink_->RemoveRateNode(device_, rate.node));
      }
    }
    EXPECT_TRUE(devlink_->SetEswitch(device_, EswitchMode::kLegacy));
  }

  // The port of VF 1, in switchdev mode.
  uint32_t Switch() {
    const auto done = devlink_->SetEswitch(device_, EswitchMode::kSwitchdev);
    EXPECT_TRUE(done) << done.error().what;
    for (const DevlinkPort& port : std::vector<DevlinkPort>(devlink_->Ports(device_).value())) {
      if (port.flavour == PortFlavour::kPciVf && port.vf == 1) return port.index;
    }
    ADD_FAILURE() << "VF 1 has no port";
    return 0;
  }
  // One write, as the driver counts them.
  bool Debug(const std::string& file, const std::string& value) {
    const std::string path = "/sys/kernel/debug/netdevsim/" + device_.name + "/" + file;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd &&
           ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
  }
  static void ExpectRefused(const Result<>& result, int error, const std::string& text) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().sys, error) << result.error().what;
    EXPECT_THAT(result.error().what, HasSubstr(text));
  }

  KernelNetlink netlink_;
  std::optional<Devlink> devlink_;
  DevlinkDevice device_;
};

TEST_F(KernelDevlink, KnowsItsDevicesAndNoOthers) {
  EXPECT_THAT(devlink_->Devices().value(), testing::Contains(device_));
  EXPECT_EQ(devlink_->Info(device_)->driver, "netdevsim");
  const DevlinkDevice none{.bus = "pci", .name = "ffff:00:00.0"};
  const auto mode = devlink_->Eswitch(none);
  ASSERT_FALSE(mode);
  EXPECT_EQ(mode.error().sys, ENODEV);
  EXPECT_EQ(mode.error().code, Code::kGone);
  EXPECT_EQ(devlink_->Ports(none).value_or(std::vector<DevlinkPort>()).size(), 0U);
}

TEST_F(KernelDevlink, HasPortsForVfsInSwitchdevModeOnly) {
  EXPECT_EQ(devlink_->Eswitch(device_).value(), EswitchMode::kLegacy);
  for (const DevlinkPort& port : std::vector<DevlinkPort>(devlink_->Ports(device_).value())) {
    EXPECT_EQ(port.flavour, PortFlavour::kPhysical);
  }
  Switch();
  EXPECT_EQ(devlink_->Eswitch(device_).value(), EswitchMode::kSwitchdev);
  std::vector<DevlinkPort> ports = devlink_->Ports(device_).value();
  std::erase_if(ports, [](const DevlinkPort& port) { return port.flavour != PortFlavour::kPciVf; });
  ASSERT_THAT(ports, SizeIs(2));
  EXPECT_EQ(ports[0].pf, 0U);
  EXPECT_EQ(ports[0].controller, 0U);
  EXPECT_FALSE(ports[0].external);
  const auto link = FindLink(netlink_, ports[0].interface);
  ASSERT_TRUE(link) << link.error().what;
  EXPECT_EQ(link->name, ports[0].netdev);
  EXPECT_TRUE(SetLinkUp(netlink_, link->index, true));
  EXPECT_FALSE(devlink_->SetEswitch(device_, EswitchMode::kSwitchdevInactive));
}

TEST_F(KernelDevlink, RefusesWhatTheDriverCannotDo) {
  const uint32_t port = Switch();
  ExpectRefused(devlink_->SetHardwareAddress(device_, port, "02:00:00:00:00:01"), EOPNOTSUPP,
                "EOPNOTSUPP");
  ExpectRefused(devlink_->SetActive(device_, port, true), EOPNOTSUPP, "EOPNOTSUPP");
  EXPECT_EQ(devlink_->AddSubFunction(device_, 0, 1).error().sys, EOPNOTSUPP);
  ExpectRefused(devlink_->SetHardwareAddress(device_, 4711, "02:00:00:00:00:01"), ENODEV, "");
}

TEST_F(KernelDevlink, TakesRatesOfLeafsInMegabits) {
  const uint32_t port = Switch();
  const auto set =
      devlink_->SetLeafRate(device_, port, {.tx_share = 10 * kMegabit, .tx_max = 20 * kMegabit});
  ASSERT_TRUE(set) << set.error().what;
  std::vector<DevlinkRate> rates = devlink_->Rates(device_).value();
  ASSERT_THAT(rates, SizeIs(2));
  std::erase_if(rates, [&](const DevlinkRate& rate) { return rate.port != port; });
  ASSERT_THAT(rates, SizeIs(1));
  EXPECT_EQ(rates[0].tx_share, 10 * kMegabit);
  EXPECT_EQ(rates[0].tx_max, 20 * kMegabit);
  ExpectRefused(devlink_->SetLeafRate(device_, port, {.tx_max = 1000}), EINVAL,
                "TX rate value not in link speed units of 1Mbps");
  EXPECT_TRUE(devlink_->SetLeafRate(device_, port, {.tx_share = 0, .tx_max = 0}));
}

TEST_F(KernelDevlink, GroupsRatesUnderNodes) {
  const uint32_t port = Switch();
  ExpectRefused(devlink_->AddRateNode(device_, "7", {}), EINVAL, "");
  const auto made = devlink_->AddRateNode(device_, "tenant", {.tx_max = 100 * kMegabit});
  ASSERT_TRUE(made) << made.error().what;
  ExpectRefused(devlink_->AddRateNode(device_, "tenant", {}), EEXIST, "");
  ASSERT_TRUE(devlink_->SetNodeRate(device_, "tenant", {.tx_max = 50 * kMegabit}));
  ASSERT_TRUE(devlink_->SetLeafRate(device_, port, {.parent = "tenant"}));
  int seen = 0;
  for (const DevlinkRate& rate : std::vector<DevlinkRate>(devlink_->Rates(device_).value())) {
    if (rate.port == port) seen += rate.parent == "tenant" ? 1 : 0;
    if (rate.node == "tenant") seen += rate.tx_max == 50 * kMegabit ? 1 : 0;
  }
  EXPECT_EQ(seen, 2);
  ExpectRefused(devlink_->RemoveRateNode(device_, "tenant"), EBUSY, "Node has children");
  ExpectRefused(devlink_->SetEswitch(device_, EswitchMode::kLegacy), EBUSY, "Rate node(s) exists");
  ExpectRefused(devlink_->SetNodeRate(device_, "tenant", {.parent = "tenant"}), EINVAL, "self");
  EXPECT_TRUE(devlink_->SetLeafRate(device_, port, {.parent = ""}));
  EXPECT_TRUE(devlink_->RemoveRateNode(device_, "tenant"));
  ExpectRefused(devlink_->RemoveRateNode(device_, "tenant"), ENODEV, "");
}

TEST_F(KernelDevlink, CountsWhatHealthReportersReport) {
  const auto dummy = [&] {
    for (DevlinkHealthReporter& each :
         std::vector<DevlinkHealthReporter>(devlink_->HealthReporters(device_).value())) {
      if (each.name == "dummy") return std::move(each);
    }
    ADD_FAILURE() << "no reporter 'dummy'";
    return DevlinkHealthReporter();
  };
  const DevlinkHealthReporter before = dummy();
  EXPECT_FALSE(before.error);
  EXPECT_EQ(before.auto_recover, true);
  ASSERT_TRUE(Debug("health/break_health", "a test"));
  const DevlinkHealthReporter recovered = dummy();
  EXPECT_FALSE(recovered.error);
  EXPECT_EQ(recovered.errors, before.errors + 1);
  EXPECT_EQ(recovered.recoveries, before.recoveries + 1);
  ASSERT_TRUE(Debug("health/fail_recover", "Y"));
  EXPECT_FALSE(Debug("health/break_health", "a test")) << "it tells that it has not recovered";
  const DevlinkHealthReporter broken = dummy();
  EXPECT_TRUE(broken.error);
  EXPECT_EQ(broken.errors, before.errors + 2);
  EXPECT_EQ(broken.recoveries, before.recoveries + 1);
  EXPECT_TRUE(Debug("health/fail_recover", "N"));
}

}  // namespace
}  // namespace drapci::hal
