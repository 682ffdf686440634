// Names of things that belong to the node and not to a workload.
#pragma once

#include <string>
#include <string_view>

namespace drapci::driver {

// The claim UID under which the journal keeps the standing settings of an accelerator.
inline constexpr std::string_view kStandingPrefix = "standing-";
inline std::string StandingUid(std::string_view accelerator) {
  return std::string(kStandingPrefix) + std::string(accelerator);
}
inline bool IsStandingUid(std::string_view uid) { return uid.starts_with(kStandingPrefix); }

}  // namespace drapci::driver
