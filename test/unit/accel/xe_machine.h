// A machine with the board "xe", and the settings of all families.
#pragma once

#include <gmock/gmock.h>

#include "hal/accel/match.h"
#include "test/sim/board/board.h"
#include "test/unit/pci/machine.h"

namespace drapci::test {

class XeMachine : public testing::Test {
 protected:
  XeMachine() { Load("xe"); }

  void Load(const std::string& board) {
    machine_ = std::make_unique<sim::FakeHost>();
    const auto loaded = sim::LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    ASSERT_TRUE(loaded) << loaded.error().what;
    ASSERT_TRUE(sim::Install(machine_->kernel, {*loaded}));
    settings_ = hal::MakeSettings(machine_->host);
  }
  hal::PciFunction Function() {
    const auto functions = machine_->scanner.Scan().value();
    for (const hal::PciFunction& each : functions) {
      if (each.address == At("0000:3a:00.0")) return each;
    }
    ADD_FAILURE() << "the board has no 0000:3a:00.0";
    return {};
  }
  std::unique_ptr<hal::Accelerator> Make(hal::AcceleratorPolicy policy = {}) {
    const hal::Family* family = hal::MatchFamily(Function());
    EXPECT_EQ(family->name, "xe");
    return family->make(machine_->host, Function(), policy, "");
  }
  hal::Setting& Find(std::string_view name) { return *settings_.find(name)->second; }
  Result<> Set(std::string_view setting, std::string_view target, std::string_view value) {
    return Find(setting).Apply(target, value, machine_->clock.Now() + std::chrono::seconds(30));
  }
  std::string Probe(std::string_view setting, std::string_view target) {
    return Find(setting).Probe(target).value_or("<none>");
  }
  Result<> Apply(const std::vector<hal::Wanted>& plan) {
    for (const hal::Wanted& each : plan) {
      hal::Setting& setting = Find(each.setting);
      DRAPCI_TRY(const std::string now, setting.Probe(each.target));
      if (setting.Satisfies(now, each.value)) continue;
      DRAPCI_CHECK(Set(each.setting, each.target, each.value));
      EXPECT_TRUE(setting.Satisfies(setting.Probe(each.target).value(), each.value));
    }
    return {};
  }
  int Store(std::string_view path, std::string_view value) {
    return machine_->kernel.Write(path, value);
  }
  int MakeVfs(int count) { return Store(kPf + "/sriov_numvfs", std::to_string(count)); }
  int MakeVfsWithoutDriver(int count) {
    EXPECT_EQ(Store(kPf + "/sriov_drivers_autoprobe", "0"), 0);
    const int error = MakeVfs(count);
    EXPECT_EQ(Store(kPf + "/sriov_drivers_autoprobe", "1"), 0);
    return error;
  }

  const std::string kPf = "/sys/bus/pci/devices/0000:3a:00.0";
  const std::string kCard = "0000:3a:00.0";
  std::unique_ptr<sim::FakeHost> machine_;
  hal::SettingTable settings_;
};

}  // namespace drapci::test
