// What the xe driver keeps of its VFs' portions and how it changes them (drivers/gpu/drm/xe/
// xe_sriov_pf_provision.c and xe_gt_sriov_pf_config.c of Linux 7.0). Numbers only: the attributes
// are in xe.cc. VFs are numbered from 1 here, as there; 0 is the PF.
#pragma once

#include <cstdint>
#include <vector>

namespace drapci::sim {

struct XeCard {
  uint64_t vram = 0;     // what the memory manager has; 0: no memory of its own
  uint64_t pf_used = 0;  // by the host's own processes
  unsigned tiles = 1, gts = 2;
};

class XeProvision {
 public:
  XeProvision(XeCard card, unsigned total_vfs);

  unsigned total() const { return static_cast<unsigned>(functions_.size()) - 1; }
  unsigned gts() const { return card_.gts; }

  // 0 or an errno.
  int SetVram(unsigned vf, uint64_t size);
  int SetAllVram(uint64_t size);
  uint64_t vram(unsigned vf) const { return functions_[vf].vram; }

  // On all GTs; the firmware clamps what is too long without a word.
  void SetExec(unsigned function, uint64_t ms);
  void SetPreempt(unsigned function, uint64_t us);
  // Of one GT alone, by debugfs; from then on nothing is divided or released by the driver itself.
  void SetExecOf(unsigned function, unsigned gt, uint64_t ms);
  // One for each GT.
  const std::vector<uint64_t>& exec(unsigned function) const { return functions_[function].exec; }
  const std::vector<uint64_t>& preempt(unsigned function) const {
    return functions_[function].preempt;
  }
  void SetPriority(unsigned function, unsigned priority) {
    functions_[function].priority = priority;
  }
  unsigned priority(unsigned function) const { return functions_[function].priority; }

  // xe_sriov_pf_provision_vfs and xe_sriov_pf_unprovision_vfs.
  int Divide(unsigned vfs);
  void Release(unsigned vfs);
  // xe_sriov_pf_provision_set_mode to auto, when there are no VFs.
  void RestoreAuto();

 private:
  struct Portion {
    uint64_t vram = 0;
    std::vector<uint64_t> exec, preempt;
    unsigned priority = 0;  // low
  };
  uint64_t Free() const;
  uint64_t Fair(unsigned vfs) const;
  void Reset(Portion& portion) const;

  const XeCard card_;
  std::vector<Portion> functions_;
  bool automatic_ = true;
};

}  // namespace drapci::sim
