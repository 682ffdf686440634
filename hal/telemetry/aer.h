// The text of the AER counters (Documentation/ABI/testing/sysfs-bus-pci-devices-aer).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::hal {

struct AerCounts {
  uint64_t total = 0;  // reports; one may have several names, or none when the link was down
  std::string named;   // those that were counted: "RxErr 3, BadTLP 1"
  bool operator==(const AerCounts&) const = default;
};

// aer_dev_correctable, _nonfatal or _fatal; names that are not known are taken as they are. An
// error when a line is no counter, or none is the total. Pure; fuzzed.
Result<AerCounts> ParseAerCounts(std::string_view text);

}  // namespace drapci::hal
