#include "hal/accel/sriov.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "hal/accel/function.h"
#include "hal/accel/net_interface.h"
#include "hal/accel/net_settings.h"
#include "hal/accel/pci_accelerator.h"
#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kCounter = "vfs";
constexpr std::string_view kVfProfile = "vf";
constexpr const char* kVfsNow = "vfs_now";
constexpr const char* kInterface = "interface";  // the PF's, where its speed is shared
constexpr std::string_view kShareProfile = "share";
constexpr std::string_view kBandwidth = "bandwidth";
constexpr int64_t kMegabit = 1'000'000;  // the unit of VF rates (IFLA_VF_RATE)

}  // namespace

SriovAccelerator::SriovAccelerator(Host& host, std::string_view family, PciFunction function,
                                   AcceleratorPolicy policy, std::string in_host_use)
    : PciAccelerator(host, family, std::move(function), policy, std::move(in_host_use)),
      key_(fmt::format("{} {}", kSriovSetting, pf().ToString())) {}

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
  if (policy().shares && function().class_code >> 16 == kNetworkClass) {
    const auto home = FindAtHome(host().sysfs, pf());
    if (home && *home) description.attributes.emplace(kInterface, (*home)->name);
  }
  description.counters.emplace(kCounter, offer);
  description.scale = Scale{.unit = std::string(kCounter), .size = offer};
  Part whole = WholePart(kCounter, offer, detail);
  // Taking the PF's driver away would take the VFs along.
  if (count != 0 && whole.no_vfio.empty()) {
    whole.no_vfio = fmt::format("{} has {} virtual functions, which need its kernel driver",
                                pf().ToString(), count);
  }
  const std::string vf_device = detail == Detail::kFull ? VfDevice() : std::string();
  description.parts.reserve(static_cast<size_t>(offer) + 1);
  description.parts.push_back(policy().shares ? SharedPart(offer, detail) : whole);
  for (const auto& [name, capacity] : description.parts.front().capacities) {
    description.counters.emplace(name, capacity.value);  // the stock of VFs is there already
  }
  for (int index = 0; index < offer; ++index) {
    Part part = VfPart(index, count, whole, driver);
    part.stands_for_share = policy().shares;
    if (detail == Detail::kFull) AddVfAttributes(part, index, there, whole, vf_device);
    description.parts.push_back(std::move(part));
  }
  return description;
}

Part SriovAccelerator::SharedPart(int offer, Detail detail) const {
  Part part;
  part.profile = kShareProfile;
  if (detail == Detail::kFull) part.attributes = WholePart(kCounter, offer, detail).attributes;
  part.capacities.emplace(
      kCounter, Capacity{.value = offer, .min = 1, .step = 1, .max = 1, .default_share = 1});
  for (int index = 0; index < offer; ++index) part.share_parts.push_back(VfName(index));
  part.capacities.merge(Divisible(offer));
  return part;
}

std::map<std::string, Capacity> SriovAccelerator::Divisible(int offer) const {
  std::map<std::string, Capacity> capacities;
  const int64_t bandwidth = Bandwidth();
  if (bandwidth >= kMegabit) {
    const int64_t fair = bandwidth / std::max(offer, 1) / kMegabit * kMegabit;
    capacities.emplace(kBandwidth, Capacity{.value = bandwidth,
                                            .min = kMegabit,
                                            .step = kMegabit,
                                            .max = {},
                                            .default_share = std::max(fair, kMegabit)});
  }
  return capacities;
}

int64_t SriovAccelerator::Bandwidth() const {
  if (function().class_code >> 16 != kNetworkClass) return 0;
  if (policy().bandwidth != 0) return policy().bandwidth / kMegabit * kMegabit;
  const auto home = FindAtHome(host().sysfs, pf());
  if (!home || !*home) return 0;
  // Mbit/s; EINVAL while the link is down, -1 when it is unknown
  // (Documentation/ABI/testing/sysfs-class-net).
  const auto text =
      host().sysfs.Read(fmt::format("{}/net/{}/speed", pf().SysfsPath(), (*home)->name));
  const auto speed = text ? ParseInt<int64_t>(Trim(*text)) : std::nullopt;
  return speed && *speed > 0 ? *speed * kMegabit : 0;
}

VfSettings SriovAccelerator::WishedSettings(const PartRequest& request) {
  VfSettings settings;
  if (request.network) settings = request.network->vf;
  if (const auto share = request.share.find(std::string(kBandwidth));
      share != request.share.end()) {
    settings.max_rate = share->second / kMegabit;
  }
  return settings;
}

Result<std::vector<Wanted>> SriovAccelerator::WishVf(const Description& now,
                                                     const std::string& target,
                                                     const PartRequest& request) const {
  static_cast<void>(now);
  VfSettings settings = WishedSettings(request);
  const bool advisory = request.network && request.network->advisory_rate;
  std::vector<Wanted> wanted;
  if (settings == VfSettings()) return wanted;
  if (function().class_code >> 16 != kNetworkClass) {
    return Fail(Code::kUnsupported, fmt::format("{} is no network card", pf().ToString()));
  }
  wanted.push_back(WishUp());
  const auto add = [&](const VfSettings& part, bool may_be_refused) {
    if (part == VfSettings()) return;
    wanted.push_back({.setting = std::string(kVfSetting),
                      .target = target,
                      .value = part.ToString(),
                      .shared = false,
                      .initially = part.Defaults().ToString(),
                      .advisory = may_be_refused});
  };
  if (advisory) {
    VfSettings rates;
    rates.min_rate = std::exchange(settings.min_rate, std::nullopt);
    rates.max_rate = std::exchange(settings.max_rate, std::nullopt);
    add(rates, true);
  }
  add(settings, false);
  return wanted;
}

Part SriovAccelerator::VfPart(int index, int count, const Part& whole,
                              std::string_view pf_driver) const {
  Part part;
  part.name = VfName(index);
  part.profile = kVfProfile;
  part.extent = Extent{.start = index, .size = 1};
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

Wanted SriovAccelerator::WishUp() const {
  return {.setting = std::string(kUpSetting),
          .target = pf().ToString(),
          .value = "up",
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
    if (request.network && request.network->vf != VfSettings()) {
      return Fail(Code::kInvalid,
                  fmt::format("{} is a physical function: MAC, VLAN and rates can be set for its "
                              "virtual functions only",
                              pf().ToString()));
    }
    DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, pf().ToString(), request, ""));
    if (auto interface = WishInterface(pf().ToString(), request)) {
      plan.push_back(*std::move(interface));
    }
    return plan;
  }
  const std::string target = fmt::format("{}/{}", pf().ToString(), part->name);
  DRAPCI_TRY(Wanted driver, WishDriver(*part, target, request, "none"));
  if (policy().vfs != Vfs::kExisting) {
    plan.push_back(WishVfs(static_cast<int>(now.counters.at(std::string(kCounter)))));
  }
  DRAPCI_TRY(std::vector<Wanted> settings, WishVf(now, target, request));
  std::ranges::move(settings, std::back_inserter(plan));
  plan.push_back(std::move(driver));
  // A VF made for the claim loses its driver, and the interface with it, when the claim goes.
  if (policy().vfs != Vfs::kOnDemand || (request.network && request.network->mtu)) {
    if (auto interface = WishInterface(target, request)) plan.push_back(*std::move(interface));
  }
  return plan;
}

Result<std::vector<Wanted>> SriovAccelerator::Standing(const Description& now) const {
  std::vector<Wanted> standing;
  if (!now.unusable.empty() || !now.foreign.empty()) return standing;
  if (policy().vfs == Vfs::kFixed) standing.push_back(WishVfs(PolicyCount()));
  // A link that is down has no speed that could be shared.
  if (policy().shares && now.attributes.contains(kInterface)) standing.push_back(WishUp());
  return standing;
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

bool IsSriovFunction(const PciFunction& function) {
  return IsEndpoint(function) && function.sriov_total.value_or(0) > 0;
}

std::unique_ptr<Accelerator> MakeSriovAccelerator(Host& host, PciFunction function,
                                                  AcceleratorPolicy policy,
                                                  std::string in_host_use) {
  return std::make_unique<SriovAccelerator>(host, "sriov", std::move(function), policy,
                                            std::move(in_host_use));
}

}  // namespace drapci::hal
