// A step: one reversible change of the hardware, as data.
//
// The journal, the dry run, the log line, the rollback and the crash recovery all use this one
// object.
#pragma once

#include <string>
#include <vector>

#include "hal/accel/setting.h"

namespace drapci::driver {

struct Step {
  std::string accelerator;
  std::string setting;  // key into hal::SettingTable
  std::string target;
  std::string before;  // the value found before anything was changed
  std::string want;
  bool shared = false;    // put back only when no other claim lists it
  bool advisory = false;  // a refusal is logged and does not fail the claim
  bool operator==(const Step&) const = default;

  // "SETTING TARGET": what `ours` and the ledger's sharing are keyed by.
  std::string Key() const { return setting + " " + target; }
  // "pci.driver 0000:02:00.0/vf3: none -> vfio-pci override=vfio-pci"
  std::string ToString() const;
};

// The ordered steps of one prepare; an unprepare is the same plan, backwards.
using Plan = std::vector<Step>;

}  // namespace drapci::driver
