// The executor: takes steps from data to hardware and back.
//
// Runs in the lanes of the accelerators concerned. Every operation looks first (probe), changes
// only what is not yet as wanted, and looks again (verify); so each may be repeated from any point.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "driver/observer.h"
#include "driver/planner.h"
#include "driver/step.h"
#include "hal/accel/setting.h"
#include "hal/os/host.h"

namespace drapci::driver {

class Executor {
 public:
  // `step_timeout`: how long one step may wait for the kernel.
  Executor(hal::Host& host, const hal::SettingTable& settings, std::chrono::seconds step_timeout)
      : host_(host), settings_(settings), step_timeout_(step_timeout) {}

  // Before anything is done; null: nobody.
  void Observe(Observer* observer) { observer_ = observer; }

  using RecordedStep =
      std::function<std::optional<Step>(const std::string& accelerator, const std::string& key)>;

  // The steps with their before-images: as probed, or (the target comes into being by an earlier
  // step) as the family says. A shared step that a claim lists already is taken over as `recorded`,
  // wish and all: a changed policy must not pull what others hold from under them.
  Result<Plan> FindBefore(const std::vector<WantedStep>& wanted,
                          const RecordedStep& recorded) const;

  // Makes every step, in order. Stops at the first that fails and is not advisory; what was made
  // stays made. A value that is neither before, wanted nor in between was set by somebody else:
  // kConflict.
  Result<> Do(const Plan& plan) const;

  // Puts every step back, in reverse order, except those that `keep` says others still need. A
  // target that is gone is put back already; one that somebody else has changed meanwhile is left
  // to them. Stops at the first that cannot be put back, but for settings of a VF: they may go with
  // it.
  Result<> Undo(const Plan& plan, const std::function<bool(const Step&)>& keep) const;

  // One sentence for each step that does not hold; advisory ones need not.
  std::vector<std::pair<Step, std::string>> Check(const Plan& plan) const;

 private:
  Result<> Bring(const Step& step, const std::string& value) const;
  Result<> ObservedBring(Observer::Work work, const Step& step, const std::string& value) const;
  bool IsGone(const Step& step) const;

  hal::Host& host_;
  const hal::SettingTable& settings_;
  const std::chrono::seconds step_timeout_;
  Observer* observer_ = nullptr;
};

}  // namespace drapci::driver
