// Finding PCI functions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/os/sysfs.h"
#include "hal/pci/function.h"

namespace drapci::hal {

class PciScanner {
 public:
  virtual ~PciScanner() = default;

  // All functions present, sorted by address. A function that disappears during the scan is left
  // out.
  virtual Result<std::vector<PciFunction>> Scan() = 0;
};

// libpci with its sysfs method forced (it would otherwise fall back to /proc/bus/pci), its own
// errors turned into Results, names from pci.ids and never from the network. Any thread; one scan
// at a time. `bus_path` is libpci's own root of the bus; tests point it at a tree of theirs.
std::unique_ptr<PciScanner> MakeLibpciScanner(const Sysfs& sysfs,
                                              std::string bus_path = "/sys/bus/pci");

}  // namespace drapci::hal
