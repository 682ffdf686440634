// The xe driver of an Intel GPU as SR-IOV PF: sriov_admin/ with the profiles of the PF and its VFs,
// VFs that get their portions when they are made, and the controller of device memory
// (drivers/gpu/drm/xe/xe_sriov_pf_sysfs.c, xe_pci_sriov.c).
//
// Of the board (`model:`): `vram` (bytes that the driver can give), `pf-used` (of them, what the
// host uses), `tiles`, `gts`, `dmem` (no: without the controller), `sriov-admin`: `full`, `6.19`
// (no vram_quota yet), `none` (older).
#pragma once

#include <optional>

#include "test/sim/drivers/driver_model.h"
#include "test/sim/drivers/xe_provision.h"

namespace drapci::sim {

class XeModel : public DriverModel {
 public:
  XeModel(Kernel::Impl& kernel, const PciAddress& address);

  void Bound() override;
  void Unbound() override;
  int ConfigureVfs(unsigned& count) override;
  void VfsMade() override;
  void VfsGone() override;
  int ProbeVf(unsigned index, std::string_view driver) override;

 private:
  std::string Admin() const { return function().dir + "/sriov_admin"; }
  std::string DirOf(unsigned vfid) const;
  void MakeBulk();
  void MakeProfile(unsigned vfid);
  void MakeVram(unsigned vfid);
  void MakePriority(unsigned vfid);
  void MakeStop(unsigned vfid);
  void MakeDebug();
  std::string DebugDir() const { return "/sys/kernel/debug/dri/" + address().ToString(); }

  XeProvision provision_;
  unsigned made_ = 0;  // VFs, as long as they are there
};

std::unique_ptr<DriverModel> MakeXeModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
