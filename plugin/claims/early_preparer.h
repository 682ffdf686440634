// Binding conditions: devices that take long are prepared when the scheduler has allocated them,
// before the pod is bound to the node, so that a failure sends the pod elsewhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "driver/manager.h"
#include "plugin/claims/claim_reader.h"
#include "plugin/claims/status.h"

namespace drapci::plugin::claims {

// "dra.pci/Prepared", "dra.pci/PrepareFailed"
std::string PreparedCondition(std::string_view driver_name);
std::string PrepareFailedCondition(std::string_view driver_name);

// Follows the claims of a ClaimReader with a watch. An allocation that lists our condition is
// prepared once, and the outcome written to the claim until the server has taken it; conditions of
// an earlier allocation (allocationTimestamp) do not count. What was prepared for an allocation
// that is gone again is released, unless the kubelet has asked for it meanwhile; after a restart of
// the daemon that is not known any more, and left to the garbage collector. On the loop's thread.
class EarlyPreparer {
 public:
  EarlyPreparer(kube::Loop& loop, driver::Manager& manager, StatusWriter& statuses,
                std::string driver_name);
  ~EarlyPreparer();

  ClaimReader::Listener listener();
  // The kubelet has called for it: from now on its unprepare is the kubelet's. Any thread.
  void Claimed(const std::string& uid);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // answers that come too late find it gone
};

}  // namespace drapci::plugin::claims
