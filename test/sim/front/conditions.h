// The injections that change what a card tells of its condition, as hardware and drivers would:
// the commands of `drapci-sim inject` about sensors, links, errors, hangs and sleep.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Does what `words` say; nothing when they are no command of these. kInvalid: the words make no
// sense. What a command has made goes when the function or its driver does, as in a real machine.
//
//   sensor ADDRESS FILE VALUE     a file of its hwmon devices: temp2_input 105000, temp2_crit_alarm
//   1 link ADDRESS SPEED WIDTH      "8.0 GT/s PCIe" or 8.0, and lanes (0: down) config-gone ADDRESS
//   configuration space reads all ones sleep ADDRESS on|off          runtime suspended in D3cold,
//   or awake core-dump ADDRESS on|off      the driver has recorded a hang, or the record has been
//   deleted wedge ADDRESS METHODS         the GPU hangs: none, rebind, rebind,bus-reset,
//   vendor-specific recovery ADDRESS STATE        PCI Express error recovery: BEGIN_RECOVERY,
//   SUCCESSFUL_RECOVERY,
//                                 FAILED_RECOVERY
//   halt ADDRESS                  an accelerator of idxd stops itself
//   ras ADDRESS BLOCK ue|ce|de COUNT   amdgpu counts errors; of QAT: correctable, nonfatal, fatal
//   reporter ADDRESS NAME error|healthy   a health reporter of devlink
//   net-drops ADDRESS COUNTER COUNT    an interface counts: rx_dropped, tx_dropped, rx_errors, ...
//   xid ADDRESS NUMBER            NVIDIA's driver tells of one (../nvml: RaiseXid)
//   gpu ADDRESS KEY VALUE         a number of the stand-in's state: temperature, ecc_uncorrected,
//   ...
std::optional<Result<>> InjectCondition(Kernel& kernel, const std::vector<std::string>& words);

}  // namespace drapci::sim
