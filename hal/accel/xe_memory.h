// How much memory an Intel GPU has, and how its driver divides it among virtual functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

struct XeMemory {
  int64_t size = 0;       // bytes that can be had
  std::string_view from;  // "dmem": the driver says so; "bar": less than the BAR that shows it
};

// No attribute of the driver tells the size. The controller of device memory has it (dmem.capacity,
// with CONFIG_CGROUP_DMEM), and the BAR that shows the memory is a power of two not below it: three
// quarters of that are there (24 GiB are shown by 32). Nothing when the GPU has no memory of its
// own, or a BAR too small to show all.
std::optional<XeMemory> ReadXeMemory(const Sysfs& sysfs, const PciAddress& pf);

// What is for VFs when all of it is divided, in whole GiB: the driver keeps the rest for the PF
// (xe_gt_sriov_pf_config.c pf_profile_fair_lmem).
int64_t XeShareable(int64_t memory);

// What the driver gives to each of `vfs` by itself (the same function).
int64_t XeFairQuota(int64_t memory, int vfs);

// The unit of quotas: large pages, the same number of each tile (xe_sriov_pf_provision.c
// vram_per_tile).
int64_t XeQuotaStep(const Sysfs& sysfs, const PciAddress& pf);

}  // namespace drapci::hal
