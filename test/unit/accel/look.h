// A full look at an accelerator.
#pragma once

#include "hal/accel/accelerator.h"

namespace drapci::test {

inline Result<hal::Description> Look(const hal::Accelerator& accelerator,
                                     const std::set<std::string>& ours = {}) {
  return accelerator.Describe(ours, hal::Accelerator::Detail::kFull);
}

}  // namespace drapci::test
