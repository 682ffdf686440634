// `drapci-sim inject`, for tests that run on a simulated machine.
#pragma once

#include <string>
#include <vector>

#include "hal/base/result.h"
#include "test/node/support/node.h"

namespace drapci::test {

struct HardwareWrite {
  std::string path, value;
};

class Injector {
 public:
  explicit Injector(const Programs& programs) : program_(programs.sim) {}

  // Forgets faults and the log of writes.
  Result<> Clear() const;
  // The write after `passing` others fails with `error` ("EBUSY"), once, wherever it goes.
  Result<> FailWrite(int passing, const std::string& error) const;
  // What has been written since Clear, refused writes included.
  Result<std::vector<HardwareWrite>> Writes() const;

 private:
  Result<std::string> Run(std::vector<std::string> words) const;
  std::string program_;
};

}  // namespace drapci::test
