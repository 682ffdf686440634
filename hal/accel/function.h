// The family "function": any PCI function, given away as a whole, by its kernel driver or VFIO.
//
// Counter "functions" = 1; one part, the whole.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hal/accel/pci_accelerator.h"

namespace drapci::hal {

class FunctionAccelerator : public PciAccelerator {
 public:
  FunctionAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                      std::string in_host_use, std::string_view family = "function");

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;
};

// Every function but bridges and VFs (those are parts of their PF).
bool IsEndpoint(const PciFunction& function);

std::unique_ptr<Accelerator> MakeFunctionAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use);

}  // namespace drapci::hal
