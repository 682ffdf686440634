// What a ResourceClaim says about its allocation, beyond what preparing it needs; and what its
// names and times look like to the API server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "hal/base/result.h"
#include "hal/os/clock.h"
#include "plugin/json.h"

namespace drapci::plugin::claims {

// A device of this driver in status.allocation.
struct AllocatedDevice {
  std::string request;  // "req" or "req/sub"
  std::string pool, device, share_id;
  std::vector<std::string> binding_conditions;
  bool operator==(const AllocatedDevice&) const = default;
};

// A condition in status.devices of this driver.
struct WrittenCondition {
  std::string pool, device, share_id, type;
  bool is_true = false;
  int64_t since = 0;  // lastTransitionTime, in seconds since 1970
};

struct ClaimView {
  std::string namespace_name, name, uid;
  std::string pod_claim_name;            // of a claim made from a template; else empty
  int64_t allocated_at = 0;              // allocationTimestamp; 0: the claim has none
  std::vector<AllocatedDevice> devices;  // empty: nothing of this driver is allocated
  std::vector<std::string> nodes;        // that the allocation names; empty: none by name
  std::vector<WrittenCondition> conditions;
};

// kInvalid names the field that is wrong. A claim that is not allocated is fine. Never throws.
Result<ClaimView> ViewClaim(const JsonField& claim, std::string_view driver_name);
Result<ClaimView> ViewClaim(std::string_view json, std::string_view driver_name);

// Whether the claim came from an API server, as far as can be told: claims from the command line
// have no namespace, or a UID of our own making.
bool IsClusterClaim(const driver::ClaimRequest& claim);

// "/apis/resource.k8s.io/v1/namespaces/NS/resourceclaims/NAME"; kInvalid for what can be no name.
Result<std::string> ClaimPath(std::string_view namespace_name, std::string_view name);

// "2026-11-21T13:00:00Z"; with microseconds "2026-11-21T13:00:00.000000Z".
std::string Rfc3339(int64_t seconds);
std::string Rfc3339Micro(hal::WallTime time);
int64_t SecondsOf(hal::WallTime time);
// Seconds since 1970; 0 when `text` is no such time in UTC. Fractions are cut off.
int64_t ParseRfc3339(std::string_view text);

}  // namespace drapci::plugin::claims
