#include "hal/accel/sriov.h"

#include <fmt/format.h>

#include "hal/accel/function.h"
#include "hal/accel/pci_accelerator.h"
#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kCounter = "vfs";
constexpr std::string_view kVfProfile = "vf";
constexpr const char* kVfsNow = "vfs_now";

class SriovAccelerator : public PciAccelerator {
 public:
  SriovAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                   std::string in_host_use)
      : PciAccelerator(host, "sriov", std::move(function), policy, std::move(in_host_use)),
        key_(fmt::format("{} {}", kSriovSetting, pf().ToString())) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description& now) const override;
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;

 private:
  using Vfs = AcceleratorPolicy::Vfs;

  const PciAddress& pf() const { return function().address; }
  int total() const { return function().sriov_total.value_or(0); }
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

  const std::string key_;
};

std::string SriovAccelerator::ForeignVfs(int there, bool ours) const {
  if (there == 0 || ours || policy().vfs == Vfs::kExisting) return {};
  if (policy().vfs == Vfs::kFixed && there == PolicyCount()) return {};
  return fmt::format(
      "somebody else has made {} virtual functions; set vfs: existing for it to hand "
      "them over",
      there);
}

int SriovAccelerator::Offer(int there) const {
  if (policy().vfs == Vfs::kExisting) return there;
  // What was made under an earlier configuration stays as long as claims keep it.
  return there != 0 ? there : PolicyCount();
}

Result<Description> SriovAccelerator::Describe(const std::set<std::string>& ours,
                                               Detail detail) const {
  DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
  std::vector<PciAddress> there;
  int count = 0;
  if (detail == Detail::kFull) {
    DRAPCI_TRY(there, ListVfs(host().sysfs, pf()));
    count = static_cast<int>(there.size());
  } else {
    DRAPCI_TRY(count, CountVfs(host().sysfs, pf()));
  }
  if (description.foreign.empty()) description.foreign = ForeignVfs(count, ours.contains(key_));
  if (description.unusable.empty() && policy().vfs != Vfs::kExisting && PolicyCount() > total()) {
    description.unusable =
        fmt::format("the configuration asks for {} VFs and it has {}", PolicyCount(), total());
  }
  const std::string driver = std::get<std::string>(description.attributes.at("driver"));
  const int offer = Offer(count);
  description.attributes.emplace("vfs_total", int64_t{total()});
  description.attributes.emplace(kVfsNow, int64_t{count});
  description.counters.emplace(kCounter, offer);
  Part whole = WholePart(kCounter, offer, detail);
  // Taking the PF's driver away would take the VFs along.
  if (count != 0 && whole.no_vfio.empty()) {
    whole.no_vfio = fmt::format("{} has {} virtual functions, which need its kernel driver",
                                pf().ToString(), count);
  }
  const std::string vf_device = detail == Detail::kFull ? VfDevice() : std::string();
  description.parts.reserve(static_cast<size_t>(offer) + 1);
  description.parts.push_back(whole);
  for (int index = 0; index < offer; ++index) {
    Part part = VfPart(index, count, whole, driver);
    if (detail == Detail::kFull) AddVfAttributes(part, index, there, whole, vf_device);
    description.parts.push_back(std::move(part));
  }
  return description;
}

Part SriovAccelerator::VfPart(int index, int count, const Part& whole,
                              std::string_view pf_driver) const {
  Part part;
  part.name = VfName(index);
  part.profile = kVfProfile;
  part.consumes.emplace(kCounter, 1);
  if (index >= count && (pf_driver.empty() || IsVfioDriver(pf_driver))) {
    part.unusable =
        fmt::format("{} has {}, and only its kernel driver makes virtual functions",
                    pf().ToString(), pf_driver.empty() ? "no driver" : std::string(pf_driver));
  }
  // Where the PF has no IOMMU its VFs have none; their groups are looked at when they exist.
  if (!function().iommu_group) part.no_vfio = whole.no_vfio;
  return part;
}

void SriovAccelerator::AddVfAttributes(Part& part, int index, const std::vector<PciAddress>& there,
                                       const Part& whole, const std::string& vf_device) const {
  part.attributes = whole.attributes;
  for (const char* own : {"address", "device", "iommu_group"}) part.attributes.erase(own);
  part.attributes.emplace("pf", pf().ToString());
  part.attributes.emplace("vf", int64_t{index});
  if (!vf_device.empty()) part.attributes.emplace("device", vf_device);
  const size_t at = static_cast<size_t>(index);
  if (at >= there.size()) return;
  part.attributes.emplace("address", there[at].ToString());
  part.attributes.emplace("driver",
                          LinkName(host().sysfs, there[at].SysfsPath() + "/driver").value_or(""));
}

// "0x10ca"; the kernel prints it as "10ca", small ids shorter. Empty when it does not tell.
std::string SriovAccelerator::VfDevice() const {
  const Result<std::string> text = host().sysfs.Read(pf().SysfsPath() + "/sriov_vf_device");
  const auto id = text ? ParseHex<uint16_t>(Trim(*text)) : std::nullopt;
  return id ? fmt::format("0x{:04x}", *id) : std::string();
}

Wanted SriovAccelerator::WishVfs(int count) const {
  // autoprobe=1 so that drivers_probe works on VFs; they are made without a driver all the same.
  const SriovState state{.vfs = count, .autoprobe = true};
  return {.setting = std::string(kSriovSetting),
          .target = pf().ToString(),
          .value = FormatSriov(state),
          .shared = true,
          .initially = {}};
}

Result<std::vector<Wanted>> SriovAccelerator::Plan(const Description& now,
                                                   const PartRequest& request) const {
  DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
  std::vector<Wanted> plan;
  if (part->name.empty()) {
    if (request.access == Access::kVfio && policy().vfs == Vfs::kFixed) {
      return Fail(Code::kConflict,
                  fmt::format("{} keeps a fixed number of virtual functions, which need its kernel "
                              "driver: it cannot be given through VFIO",
                              pf().ToString()));
    }
    DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, pf().ToString(), request.access, ""));
    return plan;
  }
  DRAPCI_TRY(Wanted driver, WishDriver(*part, fmt::format("{}/{}", pf().ToString(), part->name),
                                       request.access, "none"));
  if (policy().vfs != Vfs::kExisting) {
    plan.push_back(WishVfs(static_cast<int>(now.counters.at(std::string(kCounter)))));
  }
  plan.push_back(std::move(driver));
  return plan;
}

Result<std::vector<Wanted>> SriovAccelerator::Standing(const Description& now) const {
  const bool keeps = policy().vfs == Vfs::kFixed && now.unusable.empty() && now.foreign.empty();
  if (!keeps) return std::vector<Wanted>();
  return std::vector<Wanted>{WishVfs(PolicyCount())};
}

Result<ContainerEdits> SriovAccelerator::Edits(const PartRequest& request,
                                               MonotonicTime deadline) const {
  if (request.part.empty()) return EditsOf(pf(), request, deadline);
  const auto index = ParseVfName(request.part);
  if (!index) {
    return Fail(Code::kNotFound, fmt::format("{} has no part '{}'", name(), request.part));
  }
  DRAPCI_TRY(const PciAddress vf, VfAddress(host().sysfs, pf(), *index));
  return EditsOf(vf, request, deadline);
}

}  // namespace

bool IsSriovFunction(const PciFunction& function) {
  return IsEndpoint(function) && function.sriov_total.value_or(0) > 0;
}

std::unique_ptr<Accelerator> MakeSriovAccelerator(Host& host, PciFunction function,
                                                  AcceleratorPolicy policy,
                                                  std::string in_host_use) {
  return std::make_unique<SriovAccelerator>(host, std::move(function), policy,
                                            std::move(in_host_use));
}

}  // namespace drapci::hal
