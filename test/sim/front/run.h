// drapci-sim run: COMMAND on a simulated machine.
#pragma once

#include <string>
#include <vector>

#include "hal/base/result.h"
#include "test/sim/board/board.h"

namespace drapci::sim {

struct RunOptions {
  std::vector<Board> boards;
  std::vector<std::string> command;
  bool udevd = false;      // start systemd-udevd first
  bool vfio_cdev = false;  // a kernel with VFIO character devices
  std::string hostname;    // of the simulated machine; empty: the host's
};

// Builds the machine, runs the command in it and takes everything down again. The command's exit
// status (128 + N when signal N ended it); an error when the machine could not be made.
Result<int> Run(const RunOptions& options);

}  // namespace drapci::sim
