// What every family built on one PCI function has in common: its name, its facts, the function as a
// whole as a part, and what a container needs of a function.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "hal/accel/accelerator.h"
#include "hal/pci/device_place.h"
#include "hal/pci/driver_binding.h"

namespace drapci::hal {

inline constexpr std::string_view kWholeProfile = "function";
inline constexpr uint32_t kNetworkClass = 0x02;  // the base class

// Immutable; any thread.
class PciAccelerator : public Accelerator {
 public:
  PciAccelerator(Host& host, std::string_view family, PciFunction function,
                 AcceleratorPolicy policy, std::string in_host_use);

  const std::string& name() const override { return name_; }
  const std::string& family() const override { return family_; }
  const PciFunction& function() const override { return function_; }

 protected:
  // The description with everything but counters and parts: attributes, who else has reserved the
  // function by its driver, and why nothing can be given. kGone when it is not there.
  Result<Description> DescribeFunction(const std::set<std::string>& ours, Detail detail) const;

  // The function as a whole, which takes `amount` of `counter`.
  Part WholePart(std::string_view counter, int64_t amount, Detail detail) const;

  // The setting that gives the function at `target` its driver; that of the whole function (no
  // `initially`) is the accelerator's own. kUnsupported when `part` cannot be had that way.
  Result<Wanted> WishDriver(const Part& part, std::string target, const PartRequest& request,
                            std::string initially) const;

  // Device nodes and environment of the function at `address`, which is bound already; waits for
  // the nodes. kConflict when it is bound to the wrong kind of driver.
  Result<ContainerEdits> EditsOf(const PciAddress& address, const PartRequest& request,
                                 MonotonicTime deadline) const;

  // The same of a device whose kernel driver has it already; `name`: what DRAPCI_DEVICE_* tells.
  Result<ContainerEdits> KernelEditsOf(const DevicePlace& place, std::string_view name,
                                       const PartRequest& request, MonotonicTime deadline) const;

  // The edits of a part that is these nodes of the function's kernel driver and nothing else of it;
  // waits for them.
  Result<ContainerEdits> EditsOfNodes(std::string_view part, std::vector<std::string> nodes,
                                      MonotonicTime deadline) const;

  // "DRAPCI_DEVICE_PCI_0000_02_00_0_VF3": the variable that tells a container `what` of a part.
  std::string Variable(std::string_view what, std::string_view part) const;

  // What follows its interface into a container and back; nothing for what is no network card, or
  // goes to user space.
  std::optional<Wanted> WishInterface(std::string target, const PartRequest& request) const;

  Host& host() const { return host_; }
  const AcceleratorPolicy& policy() const { return policy_; }

 private:
  // The interfaces of a device, as the container shall have them.
  Result<std::vector<ContainerInterface>> InterfacesOf(const DevicePlace& place,
                                                       const PartRequest& request,
                                                       MonotonicTime deadline) const;

  Host& host_;
  const std::string name_, family_;
  const PciFunction function_;
  const AcceleratorPolicy policy_;
  const std::string in_host_use_;
};

// The part called `name`; kNotFound, with the accelerator's name, when there is none.
Result<const Part*> FindPart(const Description& now, std::string_view accelerator,
                             std::string_view name);

}  // namespace drapci::hal
