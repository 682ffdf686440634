#include "driver/step.h"

#include <fmt/format.h>

namespace drapci::driver {

std::string Step::ToString() const {
  return fmt::format("{} {}: {} -> {}", setting, target, before, want);
}

}  // namespace drapci::driver
