// SR-IOV: virtual functions of a physical function.
//
// /sys/bus/pci/devices/<PF>/sriov_{totalvfs,numvfs,drivers_autoprobe} and virtfn<N>
// (drivers/pci/iov.c). The kernel changes the count only through 0 (EBUSY otherwise), refuses more
// than sriov_totalvfs (ERANGE), needs a PF driver that supports it (ENOENT), and may enable fewer
// than asked: the count is read back. Reading sriov_numvfs blocks while somebody writes it.
#pragma once

#include <vector>

#include "hal/os/host.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// Value of the setting "sriov.vfs". The autoprobe switch belongs to it because VFs must be made
// with autoprobing off, so that no host driver grabs what a claim is about to get, and put back
// after.
struct SriovState {
  int vfs = 0;
  bool autoprobe = true;
  bool operator==(const SriovState&) const = default;
};

Result<SriovState> ReadSriov(const Sysfs& sysfs, const PciAddress& pf);

// Brings the PF to `want`: VFs are made unbound (autoprobe off while sriov_numvfs is written), the
// autoprobe switch ends as `want` says, and every virtfn link resolves when this returns. The
// caller must know that no VF is in use when the count changes: the kernel does not check.
Result<> ApplySriov(Host& host, const PciAddress& pf, const SriovState& want,
                    MonotonicTime deadline);

// The address of VF number `index`, through virtfn<index>; kGone when it does not exist.
Result<PciAddress> VfAddress(const Sysfs& sysfs, const PciAddress& pf, int index);

// How many VFs exist, by the virtfn links: one listing, without the lock that sriov_numvfs takes.
Result<int> CountVfs(const Sysfs& sysfs, const PciAddress& pf);

// Addresses of the VFs that exist, by index.
Result<std::vector<PciAddress>> ListVfs(const Sysfs& sysfs, const PciAddress& pf);

}  // namespace drapci::hal
