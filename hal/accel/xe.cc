#include "hal/accel/xe.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/function.h"
#include "hal/accel/pci_settings.h"
#include "hal/accel/sriov.h"
#include "hal/accel/xe_memory.h"
#include "hal/accel/xe_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr uint16_t kIntel = 0x8086;
constexpr uint32_t kDisplayClass = 0x03;
constexpr const char* kMemory = "memory";  // capacity, counter and attribute
constexpr const char* kMemoryFrom = "memory_from";
constexpr const char* kQuotas = "memory_quotas";  // whether VFs can be given as much as is asked
constexpr const char* kTimeSlices = "time_slices";
// A VF with a fair share of the memory gets 4 ms at a time, so that twelve of them wait 44 ms for
// their turn.
constexpr int64_t kFairSlice = 4;
// The least time for letting go of the GPU, as Intel's own profiles have it: a kernel that computes
// and cannot be stopped sooner costs its VF a reset.
constexpr int64_t kLeastPreempt = 16'000;

class XeAccelerator : public SriovAccelerator {
 public:
  using SriovAccelerator::SriovAccelerator;

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override {
    DRAPCI_TRY(Description now, SriovAccelerator::Describe(ours, detail));
    now.attributes.emplace(kQuotas, HasQuotas());
    now.attributes.emplace(kTimeSlices, host().sysfs.Exists(XeProfilePath(pf(), 0, kXeExec)));
    const auto memory = ReadXeMemory(host().sysfs, pf());
    if (memory) {
      now.attributes.emplace(kMemory, memory->size);
      now.attributes.emplace(kMemoryFrom, std::string(memory->from));
    }
    const int64_t vfs = std::get<int64_t>(now.attributes.at("vfs_now"));
    if (now.foreign.empty() && vfs == 0) now.foreign = ForeignQuota(ours);
    if (detail == Detail::kFull && memory) {
      for (Part& part : now.parts) AddMemory(part, *memory, now);
    }
    return now;
  }

  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override {
    DRAPCI_TRY(std::vector<Wanted> plan, SriovAccelerator::Plan(now, request));
    const auto memory = request.share.find(kMemory);
    if (memory == request.share.end()) return plan;
    const std::string target = fmt::format("{}/{}", pf().ToString(), request.part);
    const XeVf wish = WishOf(memory->second, now);
    const Wanted pool{.setting = std::string(kXePoolSetting),
                      .target = pf().ToString(),
                      .value = std::string(kXeEmptyPool),
                      .shared = true,
                      .initially = {}};
    const Wanted vf{.setting = std::string(kXeVfSetting),
                    .target = target,
                    .value = wish.ToString(),
                    .initially = Unlimited(wish).ToString()};
    // The VF's driver asks for the quota when it is bound.
    const auto driver = std::ranges::find(plan, kDriverSetting, &Wanted::setting);
    plan.insert(driver, {pool, vf});
    return plan;
  }

 protected:
  std::map<std::string, Capacity> Divisible(int offer) const override {
    std::map<std::string, Capacity> capacities;
    const auto memory = ReadXeMemory(host().sysfs, pf());
    if (!memory || !HasQuotas()) return capacities;
    const int64_t step = XeQuotaStep(host().sysfs, pf());
    const int64_t shareable = XeShareable(memory->size) / step * step;
    if (shareable < step) return capacities;
    const int64_t fair = shareable / std::max(offer, 1) / step * step;
    capacities.emplace(kMemory, Capacity{.value = shareable,
                                         .min = step,
                                         .step = step,
                                         .max = {},
                                         .default_share = std::max(fair, step)});
    return capacities;
  }

 private:
  // The file for all VFs is there only where quotas can be written (xe_sriov_pf_sysfs.c
  // profile_dev_attr_is_visible).
  bool HasQuotas() const {
    return host().sysfs.Exists(pf().SysfsPath() + "/sriov_admin/.bulk_profile/vram_quota");
  }

  // A quota that is there before any VF is was set by somebody, and keeps the driver from dividing
  // the memory by itself.
  std::string ForeignQuota(const std::set<std::string>& ours) const {
    if (policy().vfs == AcceleratorPolicy::Vfs::kExisting || !HasQuotas()) return {};
    for (const std::string_view setting : {kSriovSetting, kXePoolSetting}) {
      if (ours.contains(fmt::format("{} {}", setting, pf().ToString()))) return {};
    }
    for (int vf = 0; vf < total(); ++vf) {
      const std::string path = XeProfilePath(pf(), vf, kXeVram);
      const auto text = host().sysfs.Read(path);
      if (!text || Trim(*text) == "0") continue;
      return fmt::format(
          "somebody else has given {} bytes of its memory to {}, which does not exist yet: write 0 "
          "to {}, or set vfs: existing for it",
          Trim(*text), VfName(vf), path);
    }
    return {};
  }

  // What users select by. VFs that do not exist yet will get what the driver finds fair.
  void AddMemory(Part& part, const XeMemory& memory, const Description& now) const {
    int64_t size = memory.size;
    if (!part.name.empty()) {
      size = XeFairQuota(memory.size, static_cast<int>(now.counters.at("vfs")));
      const auto vf = ParseVfName(part.name);
      const bool there = part.attributes.contains("address");
      const auto text = vf && there ? host().sysfs.Read(XeProfilePath(pf(), *vf, kXeVram))
                                    : Result<std::string>("");
      const auto quota = text ? ParseInt<int64_t>(Trim(*text)) : std::nullopt;
      if (quota && *quota > 0) size = *quota;
    }
    if (size <= 0) return;
    part.attributes.emplace(kMemory, size);
    part.attributes.emplace(kMemoryFrom, std::string(memory.from));
  }

  // The memory, and time in proportion to it.
  static XeVf WishOf(int64_t memory, const Description& now) {
    XeVf wish;
    wish.vram = memory;
    if (!std::get<bool>(now.attributes.at(kTimeSlices))) return wish;
    const int64_t round = kFairSlice * std::max(now.counters.at("vfs"), int64_t{1});
    const int64_t of = std::max(now.counters.at(kMemory), int64_t{1});
    // In MiB, so that the product fits.
    wish.exec = std::max(round * (memory >> 20) / std::max(of >> 20, int64_t{1}), int64_t{1});
    wish.preempt = std::max(*wish.exec * 2'000, kLeastPreempt);
    return wish;
  }

  // What a VF has before anybody gives it something.
  static XeVf Unlimited(const XeVf& wish) {
    XeVf value = wish;
    for (auto* field : {&value.vram, &value.exec, &value.preempt}) {
      if (*field) *field = 0;
    }
    return value;
  }
};

}  // namespace

bool IsXeFunction(const PciFunction& function) {
  return IsSriovFunction(function) && function.vendor == kIntel &&
         function.class_code >> 16 == kDisplayClass;
}

std::unique_ptr<Accelerator> MakeXeAccelerator(Host& host, PciFunction function,
                                               AcceleratorPolicy policy, std::string in_host_use) {
  return std::make_unique<XeAccelerator>(host, "xe", std::move(function), policy,
                                         std::move(in_host_use));
}

}  // namespace drapci::hal
