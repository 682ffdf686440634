#include "hal/accel/function.h"

#include <fmt/format.h>

#include "hal/accel/pci_accelerator.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kCounter = "functions";

class FunctionAccelerator : public PciAccelerator {
 public:
  FunctionAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                      std::string in_host_use)
      : PciAccelerator(host, "function", std::move(function), policy, std::move(in_host_use)) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override {
    DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
    description.counters.emplace(kCounter, 1);
    description.parts.push_back(WholePart(kCounter, 1, detail));
    return description;
  }

  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override {
    DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
    const std::string target = function().address.ToString();
    if (request.network && request.network->vf != VfSettings()) {
      return Fail(
          Code::kUnsupported,
          fmt::format("{} has no virtual functions: MAC, VLAN and rates are theirs", target));
    }
    std::vector<Wanted> plan;
    DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, target, request, ""));
    if (auto interface = WishInterface(target, request)) plan.push_back(*std::move(interface));
    return plan;
  }

  Result<std::vector<Wanted>> Standing(const Description&) const override {
    return std::vector<Wanted>();
  }

  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override {
    return EditsOf(function().address, request, deadline);
  }
};

}  // namespace

bool IsEndpoint(const PciFunction& function) { return !function.IsBridge() && !function.physfn; }

std::unique_ptr<Accelerator> MakeFunctionAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use) {
  return std::make_unique<FunctionAccelerator>(host, std::move(function), policy,
                                               std::move(in_host_use));
}

}  // namespace drapci::hal
