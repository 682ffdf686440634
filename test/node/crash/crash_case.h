// One operation whose every crash point is tried, and the trial of one point.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::test {

struct CrashCase {
  std::string name;             // "vf-kernel"
  std::vector<ClaimSpec> held;  // other claims that are there throughout
  ClaimSpec claim;              // the one that is prepared or released
  std::string config = {};      // the daemon's configuration
};

enum class Operation { kPrepare, kUnprepare };

struct PointCounts {
  int points = 0, hardware = 0, journal = 0, cdi = 0;
  std::string list;  // one line a point
};

// Runs one case on one node. Every method leaves the hardware as it was found, or says why not.
class CrashTrial {
 public:
  CrashTrial(Node& node, CrashCase crash_case, Operation operation);

  // Does the operation under observation and learns how everything looks before and after it.
  Result<PointCounts> Count();
  // Kills the daemon after point `n` (0: before the first), starts it again, and checks that the
  // claim is wholly there or wholly not, that the same operation then succeeds, and that nothing is
  // left behind. False when there were fewer points this time.
  Result<bool> Try(int n);

 private:
  struct Picture {
    HardwareImage hardware;
    std::vector<std::string> cdi_files;
  };
  Picture Look() const { return {ReadHardware(), node_.CdiFiles()}; }
  Result<> Begin();   // a fresh daemon with everything that comes before the operation
  Result<> Finish();  // releases all, stops the daemon, compares with the first picture
  Result<Finished> UnderCrashpoint(std::optional<int> kill_at) const;
  std::vector<std::string> OperationArguments() const;
  Result<> CheckRecovered();
  Result<> Expect(const Picture& expected, std::string_view when) const;

  Node& node_;
  CrashCase case_;
  Operation operation_;
  Picture untouched_, without_, with_;  // nothing held; the others held; the claim too
};

}  // namespace drapci::test
