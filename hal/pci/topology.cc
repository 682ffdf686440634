#include "hal/pci/topology.h"

#include "hal/base/parse.h"

namespace drapci::hal {

std::optional<PciAddress> FunctionOfPath(std::string_view resolved) {
  std::optional<PciAddress> function;
  for (std::string_view component : Split(resolved, '/')) {
    const auto address = PciAddress::Parse(component);
    if (address && address->ToString() == component) function = address;
  }
  return function;
}

}  // namespace drapci::hal
