#include "test/sim/drivers/xe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "test/sim/drivers/dmem.h"

namespace drapci::sim {
namespace {

using Shown = std::expected<std::string, int>;

constexpr std::array<std::string_view, 3> kPriorities = {"low", "normal", "high"};

// kstrtou32: EINVAL for what is no number, ERANGE for one that is too large.
std::expected<uint64_t, int> U32(std::string_view text) {
  const auto number = KernelNumber(text);
  if (!number) return std::unexpected(EINVAL);
  if (*number > std::numeric_limits<uint32_t>::max()) return std::unexpected(ERANGE);
  return *number;
}

// xe_sriov_pf_provision_query_vf_eq: EUCLEAN when the GTs do not agree.
Shown ShowSame(const std::vector<uint64_t>& values) {
  if (std::ranges::adjacent_find(values, std::ranges::not_equal_to()) != values.end()) {
    return std::unexpected(EUCLEAN);
  }
  return fmt::format("{}\n", values.front());
}

// emit_choice.
std::string Choice(unsigned chosen, unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += fmt::format("{}{}{}{}", i == 0 ? "" : " ", i == chosen ? "[" : "", kPriorities[i],
                        i == chosen ? "]" : "");
  }
  return text + "\n";
}

// __sysfs_match_string.
std::optional<unsigned> Match(std::string_view text, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (Line(text) == kPriorities[i]) return i;
  }
  return std::nullopt;
}

// xe_sriov_dev_attr_show: what has no show method says so itself.
Shown NoShow() { return std::unexpected(EPERM); }

}  // namespace

XeModel::XeModel(Kernel::Impl& kernel, const PciAddress& address)
    : DriverModel(kernel, address),
      provision_({.vram = GivenNumber("vram", 0),
                  .pf_used = GivenNumber("pf-used", 0),
                  .tiles = static_cast<unsigned>(GivenNumber("tiles", 1)),
                  .gts = static_cast<unsigned>(GivenNumber("gts", 2))},
                 function().spec.sriov ? function().spec.sriov->total : 0) {}

std::string XeModel::DirOf(unsigned vfid) const {
  return vfid == 0 ? Admin() + "/pf" : fmt::format("{}/vf{}", Admin(), vfid);
}

void XeModel::Bound() {
  const uint64_t tiles = GivenNumber("tiles", 1);
  for (uint64_t tile = 0; tile < tiles; ++tile) {
    tree().MakeText(fmt::format("{}/tile{}/gt0/gtidle/name", function().dir, tile), "gt0-rc\n");
  }
  if (const uint64_t vram = GivenNumber("vram", 0); vram != 0 && Given("dmem", "") != "no") {
    // __xe_ttm_vram_mgr_init.
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      RegisterDmem(kernel(), function(), fmt::format("vram{}", tile), vram / tiles);
    }
  }
  if (provision_.total() == 0 || Given("sriov-admin", "full") == "none") return;
  MakeBulk();
  // pf_setup_tree: all that there can be, whether they are enabled or not.
  for (unsigned vfid = 0; vfid <= provision_.total(); ++vfid) MakeProfile(vfid);
  tree().MakeLinkTo(DirOf(0) + "/device", function().dir);
  MakeDebug();
}

void XeModel::Unbound() {
  UnregisterDmem(function());
  tree().Remove(Admin());
  tree().Remove(DebugDir());
  for (uint64_t tile = 0; tile < GivenNumber("tiles", 1); ++tile) {
    tree().Remove(fmt::format("{}/tile{}", function().dir, tile));
  }
}

void XeModel::MakeBulk() {
  const std::string dir = Admin() + "/.bulk_profile";
  const auto for_all = [this](std::string_view text, auto&& set) {
    const auto value = U32(text);
    if (!value) return value.error();
    for (unsigned vfid = 0; vfid <= provision_.total(); ++vfid) set(vfid, *value);
    return 0;
  };
  tree().MakeFile(dir + "/exec_quantum_ms", 0200, NoShow, [=, this](std::string_view text, size_t) {
    return for_all(text, [this](unsigned vfid, uint64_t v) { provision_.SetExec(vfid, v); });
  });
  tree().MakeFile(
      dir + "/preempt_timeout_us", 0200, NoShow, [=, this](std::string_view text, size_t) {
        return for_all(text, [this](unsigned vfid, uint64_t v) { provision_.SetPreempt(vfid, v); });
      });
  // "Currently, priority changes that involves VFs are only allowed using the 'sched_if_idle'
  // policy": no "high".
  tree().MakeFile(dir + "/sched_priority", 0200, NoShow, [this](std::string_view text, size_t) {
    const auto priority = Match(text, 2);
    if (!priority) return EINVAL;
    for (unsigned vfid = 0; vfid <= provision_.total(); ++vfid) {
      provision_.SetPriority(vfid, *priority);
    }
    return 0;
  });
  // profile_dev_attr_is_visible: with memory of its own only; 7.0.
  if (GivenNumber("vram", 0) == 0 || Given("sriov-admin", "full") != "full") return;
  tree().MakeFile(dir + "/vram_quota", 0200, NoShow, [this](std::string_view text, size_t) {
    const auto size = KernelNumber(text);
    return size ? provision_.SetAllVram(*size) : EINVAL;
  });
}

void XeModel::MakeProfile(unsigned vfid) {
  const std::string dir = DirOf(vfid) + "/profile";
  tree().MakeFile(
      dir + "/exec_quantum_ms", 0644, [this, vfid] { return ShowSame(provision_.exec(vfid)); },
      [this, vfid](std::string_view text, size_t) {
        const auto value = U32(text);
        if (!value) return value.error();
        provision_.SetExec(vfid, *value);
        return 0;
      });
  tree().MakeFile(
      dir + "/preempt_timeout_us", 0644,
      [this, vfid] { return ShowSame(provision_.preempt(vfid)); },
      [this, vfid](std::string_view text, size_t) {
        const auto value = U32(text);
        if (!value) return value.error();
        provision_.SetPreempt(vfid, *value);
        return 0;
      });
  MakePriority(vfid);
  if (vfid == 0) return;  // profile_vf_attr_is_visible and control_vf_attr_is_visible
  MakeStop(vfid);
  if (GivenNumber("vram", 0) != 0 && Given("sriov-admin", "full") == "full") MakeVram(vfid);
}

void XeModel::MakeVram(unsigned vfid) {
  tree().MakeFile(
      DirOf(vfid) + "/profile/vram_quota", 0644,
      [this, vfid]() -> Shown { return fmt::format("{}\n", provision_.vram(vfid)); },
      [this, vfid](std::string_view text, size_t) {
        const auto size = KernelNumber(text);
        return size ? provision_.SetVram(vfid, *size) : EINVAL;
      });
}

// profile_vf_attr_is_visible: read-only for VFs, since the firmware changes the PF's only.
void XeModel::MakePriority(unsigned vfid) {
  const unsigned choices = vfid == 0 ? 3 : 2;
  tree().MakeFile(
      DirOf(vfid) + "/profile/sched_priority", vfid == 0 ? 0644 : 0444,
      [this, vfid, choices]() -> Shown { return Choice(provision_.priority(vfid), choices); },
      [this, vfid, choices](std::string_view text, size_t) {
        if (vfid != 0) return EOPNOTSUPP;
        const auto priority = Match(text, choices);
        if (!priority) return EINVAL;
        provision_.SetPriority(vfid, *priority);
        return 0;
      });
}

// xe_sriov_vf_attr_stop_store: the VF is scheduled no more until it is reset.
void XeModel::MakeStop(unsigned vfid) {
  tree().MakeFile(DirOf(vfid) + "/stop", 0200, NoShow,
                  [](std::string_view text, size_t) { return KernelBool(text) ? 0 : EINVAL; });
}

// The two files of debugfs that a test needs: one GT's own time slice, which nothing else gives,
// and the way back from it (xe_gt_sriov_pf_debugfs.c, xe_sriov_pf_debugfs.c).
void XeModel::MakeDebug() {
  const std::string dir = DebugDir() + "/sriov";
  for (unsigned vfid = 1; vfid <= provision_.total(); ++vfid) {
    for (unsigned gt = 0; gt < provision_.gts(); ++gt) {
      tree().MakeFile(
          fmt::format("{}/vf{}/tile0/gt{}/exec_quantum_ms", dir, vfid, gt), 0644,
          [this, vfid, gt]() -> Shown { return fmt::format("{}\n", provision_.exec(vfid)[gt]); },
          [this, vfid, gt](std::string_view text, size_t) {
            const auto value = U32(text);
            if (!value) return value.error();
            provision_.SetExecOf(vfid, gt, *value);
            return 0;
          });
    }
  }
  tree().MakeFile(dir + "/restore_auto_provisioning", 0200, NoShow,
                  [this](std::string_view text, size_t) {
                    const auto yes = KernelBool(text);
                    if (!yes) return EINVAL;
                    if (!*yes) return 0;
                    if (!function().vfs.empty()) return EBUSY;
                    provision_.RestoreAuto();
                    return 0;
                  });
}

// pf_enable_vfs: portions first, and none are left when there is not enough.
int XeModel::ConfigureVfs(unsigned& count) {
  const int error = provision_.Divide(count);
  if (error != 0) provision_.Release(count);
  return error;
}

void XeModel::VfsMade() {
  made_ = static_cast<unsigned>(function().vfs.size());
  for (unsigned vfid = 1; vfid <= made_ && tree().Find(Admin()); ++vfid) {
    const Function* vf = kernel().Get(function().vfs[vfid - 1]);
    if (vf != nullptr) tree().MakeLinkTo(DirOf(vfid) + "/device", vf->dir);
  }
}

// pf_disable_vfs.
void XeModel::VfsGone() {
  for (unsigned vfid = 1; vfid <= made_; ++vfid) tree().Remove(DirOf(vfid) + "/device");
  provision_.Release(made_);
  made_ = 0;
}

// xe_gt_sriov_vf.c vf_get_lmem_info: a VF of a card with memory that has none cannot start.
int XeModel::ProbeVf(unsigned index, std::string_view driver) {
  const bool has_memory = GivenNumber("vram", 0) != 0;
  return driver == "xe" && has_memory && provision_.vram(index + 1) == 0 ? ENODATA : 0;
}

std::unique_ptr<DriverModel> MakeXeModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<XeModel>(kernel, address);
}

}  // namespace drapci::sim
