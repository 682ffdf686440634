// A machine with the board "xe", and the settings of all families.
#pragma once

#include "test/unit/accel/board_machine.h"

namespace drapci::test {

class XeMachine : public BoardMachine {
 protected:
  XeMachine() { Load("xe"); }

  std::unique_ptr<hal::Accelerator> Make(const hal::AcceleratorPolicy& policy = {}) {
    auto gpu = BoardMachine::Make(kCard, policy);
    EXPECT_EQ(gpu->family(), "xe");
    return gpu;
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
};

}  // namespace drapci::test
