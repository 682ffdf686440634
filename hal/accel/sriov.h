// A physical function with SR-IOV: the function as a whole, or its virtual functions, or shares of
// them (Documentation/PCI/pci-iov-howto.rst).
//
// Families whose VFs get more than a driver derive from SriovAccelerator and say what can be
// divided among VFs and which settings hand a VF its portion.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/accel/pci_accelerator.h"

namespace drapci::hal {

// Immutable; any thread.
class SriovAccelerator : public PciAccelerator {
 public:
  SriovAccelerator(Host& host, std::string_view family, PciFunction function,
                   AcceleratorPolicy policy, std::string in_host_use);

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;

 protected:
  const PciAddress& pf() const { return function().address; }
  int total() const { return function().sriov_total.value_or(0); }

  // What else than VFs can be divided among `offer` shares: the speed of a network card's link.
  virtual std::map<std::string, Capacity> Divisible(int offer) const;

  // What the PF's driver shall hold the VF at `target` ("0000:02:00.0/vf3") to, made after the VFs
  // and before the VF's own driver comes; nothing when nothing is asked for. This one knows network
  // cards.
  virtual Result<std::vector<Wanted>> WishVf(const Description& now, const std::string& target,
                                             const PartRequest& request) const;

  // What a claim wants set of a VF: by its network request, and by its share of the link's speed.
  static VfSettings WishedSettings(const PartRequest& request);
  Wanted WishUp() const;  // of the PF's interface

 private:
  using Vfs = AcceleratorPolicy::Vfs;

  // How many VFs the policy wants, whatever there is now.
  int PolicyCount() const { return policy().vf_count == 0 ? total() : policy().vf_count; }
  std::string ForeignVfs(int there, bool ours) const;
  // How many VFs are on offer when `there` exist.
  int Offer(int there) const;
  // VF number `index` of `count` that exist.
  Part VfPart(int index, int count, const Part& whole, std::string_view pf_driver) const;
  void AddVfAttributes(Part& part, int index, const std::vector<PciAddress>& there,
                       const Part& whole, const std::string& vf_device) const;
  std::string VfDevice() const;
  Wanted WishVfs(int count) const;
  // The function as one device to share, of which each share is a VF.
  Part SharedPart(int offer, Detail detail) const;
  // What the shares of the link's speed come to, in bit/s; 0: unknown, or no network card.
  int64_t Bandwidth() const;

  const std::string key_;
};

bool IsSriovFunction(const PciFunction& function);

std::unique_ptr<Accelerator> MakeSriovAccelerator(Host& host, PciFunction function,
                                                  AcceleratorPolicy policy,
                                                  std::string in_host_use);

}  // namespace drapci::hal
