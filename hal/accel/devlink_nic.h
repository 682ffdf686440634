// The family "smartnic": network cards with an embedded switch, by devlink (mlx5, ice, nfp, bnxt).
//
// Parts are those of "sriov": the function as a whole, its VFs, or shares of the link; and
// sub-functions, where the policy wants the switch in switchdev mode and says how many. In
// switchdev mode each VF has a port of the switch with a representor, through which the host
// decides what the VF reaches; its address and rates are set there instead of by rtnetlink, and its
// VLAN, spoof check and trust are the business of the switch's rules. The policy chooses the mode;
// without one it is left as it is found. Where the kernel or the driver knows no devlink it is an
// "sriov".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/accel/devlink_settings.h"
#include "hal/accel/sriov.h"

namespace drapci::hal {

// Immutable; any thread.
class DevlinkNic : public SriovAccelerator {
 public:
  DevlinkNic(Host& host, PciFunction function, AcceleratorPolicy policy, std::string in_host_use)
      : SriovAccelerator(host, "smartnic", std::move(function), std::move(policy),
                         std::move(in_host_use)) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;

 protected:
  Result<std::vector<Wanted>> WishVf(const Description& now, const std::string& target,
                                     const PartRequest& request) const override;

 private:
  bool HandedOver() const { return policy().vfs == AcceleratorPolicy::Vfs::kExisting; }
  // The mode that the policy wants, made before the VFs; nothing when it does not say.
  std::vector<Wanted> WishMode() const;
  // How many sub-functions are on offer: also those that claims hold from an earlier configuration.
  int OfferSfs(const std::set<std::string>& ours) const;
  std::string SfKey(int index) const;  // as `ours` of Describe() has it
  void AddSfs(Description& description, const std::set<std::string>& ours, Detail detail) const;
  Result<std::vector<Wanted>> PlanSf(const Part& part, const PartRequest& request) const;
  // What the switch's port for `target` is to be like; the rates by themselves when they may be
  // refused.
  static std::vector<Wanted> WishPort(const std::string& target, PortState port,
                                      const PartRequest& request);
  void AddPortAttributes(Description& description) const;
  void AddRdmaAttributes(Description& description, Detail detail) const;
};

bool IsSmartNicFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeSmartNicAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use);

}  // namespace drapci::hal
