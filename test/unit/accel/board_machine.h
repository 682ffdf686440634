// A machine with a board of test/sim/boards, and the settings of all families.
#pragma once

#include <gmock/gmock.h>

#include "hal/accel/match.h"
#include "test/sim/board/board.h"
#include "test/unit/pci/machine.h"

namespace drapci::test {

// Every wish as "SETTING TARGET = VALUE", with "shared" where it is.
inline std::vector<std::string> Texts(const std::vector<hal::Wanted>& plan) {
  std::vector<std::string> texts;
  for (const hal::Wanted& wanted : plan) {
    texts.push_back(wanted.setting + " " + wanted.target + " = " + wanted.value +
                    (wanted.shared ? " shared" : ""));
  }
  return texts;
}

class BoardMachine : public testing::Test {
 protected:
  void Load(const std::string& board) {
    machine_ = std::make_unique<sim::FakeHost>();
    const auto loaded = sim::LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    ASSERT_TRUE(loaded) << loaded.error().what;
    ASSERT_TRUE(sim::Install(machine_->kernel, {*loaded}));
    settings_ = hal::MakeSettings(machine_->host);
  }
  // The accelerator at `address`, of the family that takes it.
  std::unique_ptr<hal::Accelerator> Make(std::string_view address,
                                         const hal::AcceleratorPolicy& policy = {}) {
    std::vector<hal::PciFunction> functions = machine_->scanner.Scan().value();
    for (hal::PciFunction& each : functions) {
      if (each.address != At(address)) continue;
      return hal::MatchFamily(each)->make(machine_->host, each, policy, "");
    }
    ADD_FAILURE() << "the board has no " << address;
    return nullptr;
  }
  hal::Setting& Find(std::string_view name) { return *settings_.find(name)->second; }
  Result<> Set(std::string_view setting, std::string_view target, std::string_view value) {
    return Find(setting).Apply(target, value, machine_->clock.Now() + std::chrono::seconds(30));
  }
  std::string Probe(std::string_view setting, std::string_view target) {
    return Find(setting).Probe(target).value_or("<none>");
  }
  // As the executor does it.
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
  // Past the code under test: 0 or an errno.
  int Store(std::string_view path, std::string_view value) {
    return machine_->kernel.Write(path, value);
  }
  std::string Read(const std::string& path) {
    return machine_->sysfs.Read(path).value_or("<unreadable>");
  }

  std::unique_ptr<sim::FakeHost> machine_;
  hal::SettingTable settings_;
};

}  // namespace drapci::test
