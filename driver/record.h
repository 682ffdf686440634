// A claim as the journal knows it.
#pragma once

#include <string>
#include <string_view>

#include "driver/claim.h"
#include "driver/step.h"

namespace drapci::driver {

enum class ClaimState {
  kPreparing,    // intent is durable, the hardware may be half changed
  kPrepared,     // everything holds and the answer is stored
  kUnpreparing,  // being undone; what could not be undone yet is still blocked
};
std::string_view ClaimStateName(ClaimState state);

struct ClaimRecord {
  ClaimRequest request;
  ClaimState state = ClaimState::kPreparing;
  Plan plan;
  PreparedClaim answer;    // when kPrepared
  std::string boot_id;     // /proc/sys/kernel/random/boot_id when it was prepared
  std::string trouble;     // last failure to undo or repair it, for people; empty when all is well
  bool standing = false;   // the node's own (a fixed VF count): no workload holds it
};

}  // namespace drapci::driver
