// The rules of devlink and of the mlx5 driver, broken on purpose: what they say, and what is left.
#include "test/sim/drivers/mlx5.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "hal/net/devlink.h"
#include "hal/net/link.h"
#include "test/unit/sim/board_machine.h"

namespace drapci::sim {
namespace {

using hal::Devlink;
using hal::DevlinkDevice;
using hal::DevlinkPort;
using hal::EswitchMode;
using hal::PortFlavour;
using ::testing::HasSubstr;

constexpr uint64_t kMegabit = 125'000;

struct Mlx5 : BoardMachine {
  Mlx5() : BoardMachine("smartnic") {}

  hal::Devlink Open() {
    auto opened = Devlink::Open(machine->netlink);
    EXPECT_TRUE(opened) << opened.error().what;
    return *opened;
  }
  int MakeVfs(int count) {
    return machine->kernel.Write(kPf + "/sriov_numvfs", std::to_string(count));
  }
  std::optional<DevlinkPort> PortOfVf(uint32_t vf) {
    for (DevlinkPort& port : std::vector<DevlinkPort>(Open().Ports(kDevice).value())) {
      if (port.vf == vf) return std::move(port);
    }
    return std::nullopt;
  }
  // In switchdev mode with VFs.
  void Switch(int vfs) {
    ASSERT_TRUE(Open().SetEswitch(kDevice, EswitchMode::kSwitchdev));
    ASSERT_EQ(MakeVfs(vfs), 0);
  }
  static void ExpectRefused(const Result<>& result, int error, const std::string& text) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().sys, error) << result.error().what;
    EXPECT_THAT(result.error().what, HasSubstr(text));
  }

  const std::string kPf = "/sys/bus/pci/devices/0000:03:00.0";
  const DevlinkDevice kDevice{"pci", "0000:03:00.0"};
};

TEST_F(Mlx5, TellsWhatItIs) {
  const Devlink devlink = Open();
  EXPECT_EQ(devlink.Devices().value(), std::vector{kDevice});
  const hal::DevlinkInfo info = devlink.Info(kDevice).value();
  EXPECT_EQ(info.driver, "mlx5_core");
  EXPECT_EQ(info.serial_number, "MT2244X01234");
  EXPECT_EQ(info.running.at("fw.version"), "26.41.1000");
  EXPECT_EQ(devlink.Eswitch(kDevice).value(), EswitchMode::kLegacy);
  const auto ports = devlink.Ports(kDevice).value();
  ASSERT_EQ(ports.size(), 1U);
  EXPECT_EQ(ports[0].flavour, PortFlavour::kPhysical);
  EXPECT_EQ(ports[0].netdev, "enp3s0np0");
  EXPECT_GT(ports[0].interface, 0);
}

TEST_F(Mlx5, IsNotThereWithoutItsDriver) {
  const Devlink devlink = Open();
  ASSERT_EQ(machine->kernel.Write("/sys/bus/pci/drivers/mlx5_core/unbind", "0000:03:00.0"), 0);
  const auto mode = devlink.Eswitch(kDevice);
  ASSERT_FALSE(mode);
  EXPECT_EQ(mode.error().sys, ENODEV);
  EXPECT_EQ(Devlink::Open(machine->netlink).error().code, Code::kUnsupported);
}

TEST_F(Mlx5, HasRepresentorsOnlyInSwitchdevMode) {
  ASSERT_EQ(MakeVfs(2), 0);
  EXPECT_FALSE(PortOfVf(0)) << "legacy mode has no ports for VFs";
  const Devlink devlink = Open();
  ASSERT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kSwitchdev));
  const auto port = PortOfVf(1);
  ASSERT_TRUE(port);
  EXPECT_EQ(port->flavour, PortFlavour::kPciVf);
  EXPECT_EQ(port->pf, 0U);
  EXPECT_EQ(port->controller, 0U);
  EXPECT_EQ(port->netdev, "enp3s0npf0vf1");
  EXPECT_EQ(port->hw_addr, hal::kNoMac);
  EXPECT_EQ(machine->sysfs.Read(kPf + "/net/enp3s0npf0vf1/phys_port_name").value(), "pf0vf1");
  EXPECT_FALSE(hal::FindLink(machine->netlink, port->interface)->up);
  EXPECT_EQ(devlink.Rates(kDevice)->size(), 2U);
  ASSERT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kLegacy));
  EXPECT_FALSE(PortOfVf(1));
  EXPECT_FALSE(machine->sysfs.Exists(kPf + "/net/enp3s0npf0vf1"));
  EXPECT_TRUE(machine->sysfs.Exists(kPf + "/net/enp3s0np0"));
}

TEST_F(Mlx5, MakesRepresentorsWithItsVfsAndTakesThemAwayAgain) {
  Switch(3);
  EXPECT_TRUE(PortOfVf(2));
  ASSERT_EQ(MakeVfs(0), 0);
  EXPECT_FALSE(PortOfVf(2));
  EXPECT_TRUE(Open().Rates(kDevice)->empty());
}

TEST_F(Mlx5, KeepsItsModeWhileItsSwitchIsBusy) {
  Load("smartnic:busy=1");
  ExpectRefused(Open().SetEswitch(kDevice, EswitchMode::kSwitchdev), EBUSY,
                "eswitch mode switchdev of pci/0000:03:00.0: EBUSY (Device or resource busy): "
                "mlx5_core: Can't change mode, E-Switch is busy");
}

TEST_F(Mlx5, OfAnotherKindKeepsItsModeWhileItHasVfs) {
  Load("smartnic:vfs-first=1");
  ASSERT_EQ(MakeVfs(1), 0);
  ExpectRefused(Open().SetEswitch(kDevice, EswitchMode::kSwitchdev), EOPNOTSUPP,
                "allowed only if there is no VFs created");
  ASSERT_EQ(MakeVfs(0), 0);
  EXPECT_TRUE(Open().SetEswitch(kDevice, EswitchMode::kSwitchdev));
}

TEST_F(Mlx5, WithoutASwitchTellsNoMode) {
  Load("smartnic:eswitch=0");
  EXPECT_EQ(Open().Eswitch(kDevice).error().code, Code::kUnsupported);
  ExpectRefused(Open().SetEswitch(kDevice, EswitchMode::kSwitchdev), EOPNOTSUPP, "cannot do it");
}

TEST_F(Mlx5, RefusesAModeThatItDoesNotKnow) {
  ExpectRefused(Open().SetEswitch(kDevice, EswitchMode::kSwitchdevInactive), EINVAL, "EINVAL");
}

TEST_F(Mlx5, GivesAVfTheAddressOfItsPort) {
  Switch(1);
  const Devlink devlink = Open();
  const uint32_t port = PortOfVf(0)->index;
  EXPECT_TRUE(devlink.SetHardwareAddress(kDevice, port, "02:11:22:33:44:55"));
  EXPECT_EQ(PortOfVf(0)->hw_addr, "02:11:22:33:44:55");
  EXPECT_EQ(machine->kernel.VfSettings(*hal::PciAddress::Parse("0000:03:00.0"))->at(0).mac,
            "02:11:22:33:44:55");
  ExpectRefused(devlink.SetHardwareAddress(kDevice, port, "01:00:5e:00:00:01"), EINVAL,
                "Non-unicast hardware address unsupported");
  ExpectRefused(devlink.SetHardwareAddress(kDevice, 0xffff, "02:11:22:33:44:55"), EOPNOTSUPP,
                "Port doesn't support function attributes");
  ExpectRefused(devlink.SetHardwareAddress(kDevice, 77, "02:11:22:33:44:55"), ENODEV,
                "no such devlink device or port");
  ExpectRefused(devlink.SetHardwareAddress(kDevice, port, "02:11"), 0, "no MAC address");
  ExpectRefused(devlink.SetActive(kDevice, port, true), EOPNOTSUPP,
                "Function does not support state setting");
}

TEST_F(Mlx5, TakesRatesInMegabitsUpToTheSpeedOfTheLink) {
  Switch(2);
  const Devlink devlink = Open();
  const uint32_t port = PortOfVf(1)->index;
  EXPECT_TRUE(
      devlink.SetLeafRate(kDevice, port, {.tx_share = 100 * kMegabit, .tx_max = 500 * kMegabit}));
  const auto rates = devlink.Rates(kDevice).value();
  ASSERT_EQ(rates.size(), 2U);
  EXPECT_EQ(rates[1].port, port);
  EXPECT_EQ(rates[1].tx_share, 100 * kMegabit);
  EXPECT_EQ(rates[1].tx_max, 500 * kMegabit);
  ExpectRefused(devlink.SetLeafRate(kDevice, port, {.tx_max = 1000}), EINVAL,
                "not in link speed units of 1Mbps");
  ExpectRefused(devlink.SetLeafRate(kDevice, port, {.tx_max = 25'001 * kMegabit}), EINVAL,
                "exceed link maximum speed");
  ExpectRefused(devlink.SetLeafRate(kDevice, 0xffff, {.tx_max = kMegabit}), ENODEV, "ENODEV");
  Load("smartnic:min-rate=0");
  Switch(1);
  ExpectRefused(Open().SetLeafRate(kDevice, PortOfVf(0)->index, {.tx_share = kMegabit}), EOPNOTSUPP,
                "TX share set isn't supported for the leafs");
}

TEST_F(Mlx5, GroupsRatesUnderNodes) {
  Switch(1);
  const Devlink devlink = Open();
  const uint32_t port = PortOfVf(0)->index;
  ExpectRefused(devlink.AddRateNode(kDevice, "7", {}), EINVAL, "EINVAL");
  EXPECT_TRUE(devlink.AddRateNode(kDevice, "tenant", {.tx_max = 800 * kMegabit}));
  ExpectRefused(devlink.AddRateNode(kDevice, "tenant", {}), EEXIST, "EEXIST");
  ExpectRefused(devlink.SetNodeRate(kDevice, "nobody", {.tx_max = kMegabit}), ENODEV, "ENODEV");
  ExpectRefused(devlink.SetNodeRate(kDevice, "tenant", {.parent = "tenant"}), EINVAL, "self");
  EXPECT_TRUE(devlink.SetLeafRate(kDevice, port, {.parent = "tenant"}));
  ExpectRefused(devlink.SetLeafRate(kDevice, port, {.parent = "nobody"}), ENODEV, "ENODEV");
  EXPECT_EQ(devlink.Rates(kDevice)->front().parent, "tenant");
  ExpectRefused(devlink.RemoveRateNode(kDevice, "tenant"), EBUSY, "Node has children");
  ExpectRefused(devlink.SetEswitch(kDevice, EswitchMode::kLegacy), EBUSY, "Rate node(s) exists.");
  EXPECT_TRUE(devlink.SetLeafRate(kDevice, port, {.parent = ""}));
  EXPECT_TRUE(devlink.RemoveRateNode(kDevice, "tenant"));
  ExpectRefused(devlink.RemoveRateNode(kDevice, "tenant"), ENODEV, "ENODEV");
  EXPECT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kLegacy));
  ExpectRefused(devlink.AddRateNode(kDevice, "tenant", {}), EOPNOTSUPP, "aren't supported");
}

TEST_F(Mlx5, MakesSubFunctionsInSwitchdevModeOnly) {
  const Devlink devlink = Open();
  EXPECT_EQ(devlink.AddSubFunction(kDevice, 0, 5).error().sys, EOPNOTSUPP);
  ASSERT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kSwitchdev));
  EXPECT_EQ(devlink.AddSubFunction(kDevice, 1, 5).error().sys, EOPNOTSUPP) << "no such PF";
  const auto made = devlink.AddSubFunction(kDevice, 0, 5);
  ASSERT_TRUE(made) << made.error().what;
  EXPECT_EQ(made->flavour, PortFlavour::kPciSf);
  EXPECT_EQ(made->sf, 5U);
  EXPECT_EQ(made->active, false);
  EXPECT_EQ(made->netdev, "enp3s0npf0sf5");
  EXPECT_THAT(devlink.AddSubFunction(kDevice, 0, 5).error().what,
              HasSubstr("SF already exist. Choose different sfnum"));
  for (uint32_t sf = 6; sf < 9; ++sf) ASSERT_TRUE(devlink.AddSubFunction(kDevice, 0, sf));
  EXPECT_EQ(devlink.AddSubFunction(kDevice, 0, 9).error().sys, ENOSPC);
  ASSERT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kLegacy));
  EXPECT_EQ(devlink.Ports(kDevice)->size(), 1U) << "they go with the mode";
}

TEST_F(Mlx5, BringsTheDeviceOfASubFunctionAWhileAfterItIsActive) {
  const Devlink devlink = Open();
  ASSERT_TRUE(devlink.SetEswitch(kDevice, EswitchMode::kSwitchdev));
  const uint32_t port = devlink.AddSubFunction(kDevice, 0, 5)->index;
  const auto now = [&] {
    const std::vector<DevlinkPort> ports = devlink.Ports(kDevice).value();
    return *std::ranges::find(ports, port, &DevlinkPort::index);
  };
  ASSERT_TRUE(devlink.SetHardwareAddress(kDevice, port, "02:00:00:00:00:05"));
  ASSERT_TRUE(devlink.SetActive(kDevice, port, true));
  EXPECT_EQ(now().active, true);
  EXPECT_EQ(now().attached, false);
  const std::string device = kPf + "/mlx5_core.sf.2";
  EXPECT_FALSE(machine->sysfs.Exists(device));
  EXPECT_TRUE(machine->kernel.RunDeferred());
  EXPECT_EQ(now().attached, true);
  EXPECT_EQ(machine->sysfs.Read(device + "/sfnum").value(), "5");
  EXPECT_EQ(machine->sysfs.Read(device + "/net/enp3s0f0s5/address").value(), "02:00:00:00:00:05");
  EXPECT_TRUE(machine->sysfs.Exists("/sys/bus/auxiliary/devices/mlx5_core.sf.2"));
  ASSERT_TRUE(devlink.SetActive(kDevice, port, false));
  EXPECT_FALSE(machine->sysfs.Exists(device));
  EXPECT_TRUE(devlink.RemovePort(kDevice, port));
  EXPECT_FALSE(devlink.RemovePort(kDevice, port));
  ExpectRefused(devlink.RemovePort(kDevice, 0xffff), EOPNOTSUPP, "");
}

TEST_F(Mlx5, TellsItsHealth) {
  Load("smartnic:fatal=3");
  const auto reporters = Open().HealthReporters(kDevice).value();
  ASSERT_EQ(reporters.size(), 4U);
  EXPECT_EQ(reporters[0].name, "fw");
  EXPECT_FALSE(reporters[0].error);
  EXPECT_EQ(reporters[1].name, "fw_fatal");
  EXPECT_TRUE(reporters[1].error);
  EXPECT_EQ(reporters[1].errors, 3U);
  EXPECT_EQ(reporters[1].auto_recover, true);
}

TEST_F(Mlx5, ForgetsEverythingWithItsDriver) {
  Switch(2);
  ASSERT_TRUE(Open().AddSubFunction(kDevice, 0, 1));
  ASSERT_EQ(machine->kernel.Write("/sys/bus/pci/drivers/mlx5_core/unbind", "0000:03:00.0"), 0);
  EXPECT_TRUE(machine->kernel.Interfaces().empty());
  ASSERT_EQ(machine->kernel.Write("/sys/bus/pci/drivers/mlx5_core/bind", "0000:03:00.0"), 0);
  EXPECT_EQ(Open().Eswitch(kDevice).value(), EswitchMode::kLegacy);
  EXPECT_EQ(Open().Ports(kDevice)->size(), 1U);
}

}  // namespace
}  // namespace drapci::sim
