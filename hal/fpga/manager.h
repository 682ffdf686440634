// The kernel's FPGA manager class (drivers/fpga/fpga-mgr.c): whatever programs an FPGA, whoever has
// made it.
#pragma once

#include <string>

#include "hal/os/sysfs.h"

namespace drapci::hal {

struct FpgaManager {
  std::string name;    // of its driver: "DFL FME FPGA Manager"
  std::string state;   // "operating", "write complete error", ...
  std::string status;  // what went wrong last, on one line: "reconfig CRC error"; mostly empty
  bool operator==(const FpgaManager&) const = default;
};

// The first manager that the device at `dir` has made ("DIR/fpga_manager/fpga0"); nothing at all in
// its fields when there is none. A kernel that lacks a file leaves its field empty.
FpgaManager ReadFpgaManager(const Sysfs& sysfs, const std::string& dir);

}  // namespace drapci::hal
