// A claim as the journal knows it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "driver/step.h"

namespace drapci::driver {

enum class ClaimState {
  kPreparing,    // intent is durable, the hardware may be half changed
  kPrepared,     // everything holds and the answer is stored
  kUnpreparing,  // being undone; what could not be undone yet is still blocked
};
std::string_view ClaimStateName(ClaimState state);

// What one claim takes of one accelerator.
struct Holding {
  std::string accelerator;
  std::string device;    // full name, as it was asked for
  std::string part;      // within the accelerator; of a share, the part that stands for it
  std::string share_id;  // not empty: one share of `device`
  std::map<std::string, int64_t> consumes;  // of the accelerator's counters
  std::string card;  // hal::CardIdentity() when it was prepared; empty: not known
  bool operator==(const Holding&) const = default;

  // What nobody else can hold: the device; of a share, the part that stands for it, or, where none
  // does, the share itself.
  std::string Key() const;
};

struct ClaimRecord {
  ClaimRequest request;
  std::vector<Holding> holdings;
  ClaimState state = ClaimState::kPreparing;
  Plan plan;
  PreparedClaim answer;     // when kPrepared
  std::string cdi_spec;     // the text of its CDI file, when kPrepared; empty: it has none
  std::string boot_id;      // /proc/sys/kernel/random/boot_id when it was prepared
  std::string trouble;      // last failure to undo or repair it, for people; empty when all is well
  int64_t prepared_at = 0;  // seconds since 1970, when it was prepared; 0: unknown
  bool standing = false;    // the node's own (a fixed VF count): no workload holds it
};

}  // namespace drapci::driver
