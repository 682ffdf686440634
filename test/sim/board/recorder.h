// Recording this machine's PCI functions as a tree that `--board tree:PATH` loads.
#pragma once

#include <string>

#include "hal/base/result.h"

namespace drapci::sim {

// Copies every function below /sys/bus/pci/devices with its attributes (content and mode), its
// links and the devices below it to OUT/sys/..., and the drivers' names. OUT must not exist. The
// number of functions.
Result<int> Record(const std::string& out);

}  // namespace drapci::sim
