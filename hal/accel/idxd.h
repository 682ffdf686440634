// Intel's data streaming accelerator (DSA) and in-memory analytics accelerator (IAA), divided into
// work queues: parts "wq0", "wq1", ..., each dedicated to one claim or shared by many, and the
// function as a whole.
//
// The entries of the device are its stock. How they are divided is a layout that the first claim
// makes and the last one takes back, since the kernel lets nobody change it in between; all engines
// serve all queues. The layout comes from the policy (workQueues) or is half dedicated, half
// shared, of even sizes. Queues are handed to user space: those of the kernel (dmaengine, crypto)
// have no user that could claim them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "hal/accel/idxd_settings.h"
#include "hal/accel/pci_accelerator.h"

namespace drapci::hal {

// Immutable; any thread.
class IdxdAccelerator : public PciAccelerator {
 public:
  IdxdAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                  std::string in_host_use);

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;

 private:
  // One work queue on offer.
  struct Offer {
    int queue = 0, size = 0, start = 0;
    bool shared = false;
    std::string unusable;
  };

  // How the policy divides the device; kConflict when it asks for more than there is.
  Result<std::vector<Offer>> Divide(const IdxdDevice& device) const;
  // The queues that there are: ours, the hardware's own, or handed over.
  std::vector<Offer> Existing(const IdxdDevice& device) const;
  std::string Foreign(const IdxdDevice& device) const;
  Part QueuePart(const Offer& offer, const IdxdDevice& device, const Part& whole,
                 Detail detail) const;
  Wanted WishLayout(const Description& now) const;
  Wanted WishQueue(const Description& now, const Part& part) const;

  const std::string target_;
};

bool IsIdxdFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeIdxdAccelerator(Host& host, PciFunction function,
                                                 AcceleratorPolicy policy, std::string in_host_use);

}  // namespace drapci::hal
