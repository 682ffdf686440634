// A setting: one thing about the hardware that can be read and set, and therefore undone.
//
// Every change that drapci makes is "bring setting S of target T from value A to value B". A kind
// of change is one class here; a step (driver/step.h) is the data {setting, target, before, want},
// and the same Apply() does it, undoes it and repairs it after a crash. So a value must say
// everything that Apply() needs to bring the target to it from any state in between, and targets
// are named by placement
// ("0000:02:00.0/vf3"), never by ids that the hardware hands out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hal/base/result.h"
#include "hal/os/host.h"

namespace drapci::hal {

class Setting {
 public:
  virtual ~Setting() = default;

  // The value now. kGone when the target does not exist.
  virtual Result<std::string> Probe(std::string_view target) const = 0;

  // Brings the target to `value`, idempotently, from whatever it is now. Blocks up to `deadline`,
  // except where the kernel itself blocks. kGone when the target does not exist.
  virtual Result<> Apply(std::string_view target, std::string_view value,
                         MonotonicTime deadline) = 0;

  // Whether `value`, as probed, is what `want` asks for.
  virtual bool Satisfies(std::string_view value, std::string_view want) const {
    return value == want;
  }

  // What of the value `now` is to be remembered before `want` is applied: all that going back
  // needs, and nothing that somebody else may change meanwhile.
  virtual std::string Before(std::string_view now, std::string_view want) const {
    static_cast<void>(want);
    return std::string(now);
  }

  // Whether `now` can be the trace of a change from `before` to `want` that was cut short. When it
  // cannot, somebody else has set it, and it is left alone.
  virtual bool Between(std::string_view now, std::string_view before, std::string_view want) const {
    static_cast<void>(now), static_cast<void>(before), static_cast<void>(want);
    return true;
  }
};

// By the setting's name: "pci.driver", "sriov.vfs". Immutable once built.
using SettingTable = std::map<std::string, std::unique_ptr<Setting>, std::less<>>;

}  // namespace drapci::hal
