#include "hal/accel/qat.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "hal/accel/qat_settings.h"

namespace drapci::hal {
namespace {

constexpr const char* kServices = "services";
constexpr const char* kUp = "up";
constexpr uint16_t kIntel = 0x8086;
// drivers/crypto/intel/qat: 4xxx, 401xx, 402xx, 420xx, 6xxx; dh895xcc, c3xxx, c62x
constexpr uint16_t kDevices[] = {0x4940, 0x4942, 0x4944, 0x4946, 0x4948, 0x0435, 0x19e2, 0x37c8};

AcceleratorPolicy WithAllVfs(AcceleratorPolicy policy) {
  policy.vf_count = 0;
  return policy;
}

}  // namespace

QatAccelerator::QatAccelerator(Host& host, PciFunction function, const AcceleratorPolicy& policy,
                               std::string in_host_use)
    : SriovAccelerator(host, "qat", std::move(function), WithAllVfs(policy),
                       std::move(in_host_use)),
      asked_vfs_(policy.vf_count) {}

Result<Description> QatAccelerator::Describe(const std::set<std::string>& ours,
                                             Detail detail) const {
  DRAPCI_TRY(Description description, SriovAccelerator::Describe(ours, detail));
  if (description.unusable.empty() && asked_vfs_ != 0 && asked_vfs_ != total()) {
    description.unusable = fmt::format(
        "the configuration asks for {} VFs, and its driver makes all of its {} or none: leave "
        "vfCount out",
        asked_vfs_, total());
  }
  const Result<QatState> now = ReadQat(host().sysfs, pf());
  if (!now && now.error().code == Code::kGone) return Fail(now.error());
  const std::string& wanted = policy().services;
  std::string services = wanted;
  if (now) {
    if (services.empty() || policy().vfs == AcceleratorPolicy::Vfs::kExisting)
      services = now->services;
    description.attributes.emplace(kUp, now->up);
    description.attributes.emplace(kServices, services);
    if (!now->up && wanted.empty() && description.unusable.empty()) {
      description.unusable =
          "it is down (qat/state): start it, or say in the configuration which services it is to "
          "offer";
    }
    if (policy().vfs == AcceleratorPolicy::Vfs::kExisting && description.unusable.empty() &&
        !wanted.empty() && !SameServices(wanted, now->services)) {
      description.unusable = fmt::format(
          "it offers '{}', the configuration wants '{}' of it, and its virtual functions are "
          "somebody else's: change the services where they are made, or leave them out here",
          now->services, wanted);
    }
  } else if (!wanted.empty()) {
    // Through VFIO the whole can be had without a driver.
    for (Part& part : description.parts) {
      if (!part.name.empty() && part.unusable.empty()) part.unusable = now.error().what;
    }
  }
  if (detail == Detail::kFull && !services.empty()) {
    for (Part& part : description.parts) part.attributes.emplace(kServices, services);
  }
  return description;
}

std::vector<Wanted> QatAccelerator::WishServices() const {
  std::vector<Wanted> wanted;
  if (policy().services.empty() || policy().vfs == AcceleratorPolicy::Vfs::kExisting) return wanted;
  wanted.push_back({.setting = std::string(kQatSetting),
                    .target = pf().ToString(),
                    .value = FormatQat({.up = true, .services = policy().services}),
                    .shared = true,
                    .initially = {}});
  return wanted;
}

Result<std::vector<Wanted>> QatAccelerator::Plan(const Description& now,
                                                 const PartRequest& request) const {
  DRAPCI_TRY(std::vector<Wanted> plan, SriovAccelerator::Plan(now, request));
  if (request.part.empty() && request.access == Access::kVfio) return plan;
  if (!policy().services.empty() && !now.attributes.contains(kUp)) {
    return Fail(Code::kUnsupported,
                fmt::format("{} has no driver that can choose its services ('{}')", pf().ToString(),
                            policy().services));
  }
  std::vector<Wanted> services = WishServices();
  plan.insert(plan.begin(), std::make_move_iterator(services.begin()),
              std::make_move_iterator(services.end()));
  return plan;
}

Result<std::vector<Wanted>> QatAccelerator::Standing(const Description& now) const {
  DRAPCI_TRY(std::vector<Wanted> standing, SriovAccelerator::Standing(now));
  if (standing.empty()) return standing;
  std::vector<Wanted> services = WishServices();
  standing.insert(standing.begin(), std::make_move_iterator(services.begin()),
                  std::make_move_iterator(services.end()));
  return standing;
}

bool IsQatFunction(const PciFunction& function) {
  return IsSriovFunction(function) && function.vendor == kIntel &&
         std::ranges::find(kDevices, function.device) != std::end(kDevices);
}

std::unique_ptr<Accelerator> MakeQatAccelerator(Host& host, PciFunction function,
                                                AcceleratorPolicy policy, std::string in_host_use) {
  return std::make_unique<QatAccelerator>(host, std::move(function), policy,
                                          std::move(in_host_use));
}

}  // namespace drapci::hal
