#include "test/sim/drivers/xe_provision.h"

#include <algorithm>
#include <bit>
#include <cerrno>

namespace drapci::sim {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kAlignment = 2 * kMiB;  // pf_get_lmem_alignment
constexpr uint64_t kSpare = 128 * kMiB;    // pf_get_min_spare_lmem
// abi/guc_klvs_abi.h GUC_KLV_VF_CFG_{EXEC_QUANTUM,PREEMPT_TIMEOUT}_MAX_VALUE
constexpr uint64_t kMostExec = 100'000, kMostPreempt = 100'000'000;

uint64_t AlignDown(uint64_t value, uint64_t unit) { return value / unit * unit; }

}  // namespace

XeProvision::XeProvision(XeCard card, unsigned total_vfs) : card_(card) {
  functions_.resize(total_vfs + 1);
  for (Portion& portion : functions_) Reset(portion);
}

void XeProvision::Reset(Portion& portion) const {
  portion.vram = 0;
  portion.exec.assign(card_.gts, 0);
  portion.preempt.assign(card_.gts, 0);
}

uint64_t XeProvision::Free() const {
  uint64_t used = card_.pf_used;
  for (const Portion& portion : functions_) used += portion.vram;
  return card_.vram - std::min(used, card_.vram);
}

// pf_provision_vf_lmem: what was there is released first, and stays so when the new size cannot be
// had. xe_ttm_vram_mgr_new has E2BIG for the impossible; ttm_bo_validate makes ENOMEM of ENOSPC.
int XeProvision::SetVram(unsigned vf, uint64_t size) {
  const uint64_t unit = kAlignment * card_.tiles;  // vram_per_tile
  if (size > UINT64_MAX - unit) return E2BIG;
  size = (size + unit - 1) / unit * unit;
  functions_[vf].vram = 0;
  if (size > card_.vram) return E2BIG;
  if (size > Free()) return ENOMEM;
  functions_[vf].vram = size;
  return 0;
}

// xe_gt_sriov_pf_config_bulk_set_lmem_locked: up to the first that fails.
int XeProvision::SetAllVram(uint64_t size) {
  for (unsigned vf = 1; vf <= total(); ++vf) {
    if (const int error = SetVram(vf, size); error != 0) return error;
  }
  return 0;
}

void XeProvision::SetExec(unsigned function, uint64_t ms) {
  functions_[function].exec.assign(card_.gts, std::min(ms, kMostExec));
}

void XeProvision::SetPreempt(unsigned function, uint64_t us) {
  functions_[function].preempt.assign(card_.gts, std::min(us, kMostPreempt));
}

void XeProvision::SetExecOf(unsigned function, unsigned gt, uint64_t ms) {
  functions_[function].exec[gt] = std::min(ms, kMostExec);
  automatic_ = false;
}

// pf_estimate_fair_lmem and pf_profile_fair_lmem, the smaller.
uint64_t XeProvision::Fair(unsigned vfs) const {
  const uint64_t free = Free();
  const uint64_t estimate = AlignDown(free > kSpare ? (free - kSpare) / vfs : 0, kAlignment);
  const uint64_t available = card_.vram > kSpare ? card_.vram - kSpare : 0;
  const uint64_t profile = std::bit_floor(AlignDown(available, kGiB) / (1 + vfs));
  return std::min(estimate, AlignDown(profile, kAlignment));
}

int XeProvision::Divide(unsigned vfs) {
  if (!automatic_ || card_.vram == 0) return 0;
  // pf_needs_provision_lmem: one quota that is there keeps it from giving any.
  for (unsigned vf = 1; vf <= vfs; ++vf) {
    if (functions_[vf].vram != 0) return 0;
  }
  const uint64_t fair = Fair(vfs);
  if (fair == 0) return ENOSPC;
  for (unsigned vf = 1; vf <= vfs; ++vf) {
    if (const int error = SetVram(vf, fair); error != 0) return error;
  }
  return 0;
}

// pf_unprovision_vfs, whoever has given what.
void XeProvision::Release(unsigned vfs) {
  if (!automatic_) return;
  for (unsigned vf = 1; vf <= vfs; ++vf) Reset(functions_[vf]);
}

void XeProvision::RestoreAuto() {
  automatic_ = true;
  Release(total());
}

}  // namespace drapci::sim
