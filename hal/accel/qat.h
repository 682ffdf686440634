// Intel QuickAssist (QAT): a function with SR-IOV whose services - symmetric and asymmetric crypto,
// compression - are chosen for all of it, while it is down and has no VFs.
//
// Its driver makes all VFs or none, whatever number is asked for
// (drivers/crypto/intel/qat/qat_common/adf_sriov.c). The policy says which services it is to offer;
// without one it offers what it was found with.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/accel/sriov.h"

namespace drapci::hal {

// Immutable; any thread.
class QatAccelerator : public SriovAccelerator {
 public:
  QatAccelerator(Host& host, PciFunction function, const AcceleratorPolicy& policy,
                 std::string in_host_use);

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;

 private:
  // What the function is to be before VFs are made: up, with the policy's services; nothing when
  // the policy names none.
  std::vector<Wanted> WishServices() const;

  const int asked_vfs_;  // by the policy
};

bool IsQatFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeQatAccelerator(Host& host, PciFunction function,
                                                AcceleratorPolicy policy, std::string in_host_use);

}  // namespace drapci::hal
