#include "hal/accel/function.h"

#include <fmt/format.h>

namespace drapci::hal {
namespace {

constexpr std::string_view kCounter = "functions";

}  // namespace

FunctionAccelerator::FunctionAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                                         std::string in_host_use, std::string_view family)
    : PciAccelerator(host, family, std::move(function), policy, std::move(in_host_use)) {}

Result<Description> FunctionAccelerator::Describe(const std::set<std::string>& ours,
                                                  Detail detail) const {
  DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
  description.counters.emplace(kCounter, 1);
  description.parts.push_back(WholePart(kCounter, 1, detail));
  return description;
}

Result<std::vector<Wanted>> FunctionAccelerator::Plan(const Description& now,
                                                      const PartRequest& request) const {
  DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
  const std::string target = function().address.ToString();
  if (request.network && request.network->vf != VfSettings()) {
    return Fail(Code::kUnsupported,
                fmt::format("{} has no virtual functions: MAC, VLAN and rates are theirs", target));
  }
  std::vector<Wanted> plan;
  DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, target, request, ""));
  if (auto interface = WishInterface(target, request)) plan.push_back(*std::move(interface));
  return plan;
}

Result<std::vector<Wanted>> FunctionAccelerator::Standing(const Description&) const {
  return std::vector<Wanted>();
}

Result<ContainerEdits> FunctionAccelerator::Edits(const PartRequest& request,
                                                  MonotonicTime deadline) const {
  return EditsOf(function().address, request, deadline);
}

bool IsEndpoint(const PciFunction& function) { return !function.IsBridge() && !function.physfn; }

std::unique_ptr<Accelerator> MakeFunctionAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use) {
  return std::make_unique<FunctionAccelerator>(host, std::move(function), policy,
                                               std::move(in_host_use));
}

}  // namespace drapci::hal
