#include "hal/accel/devlink_nic.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "hal/accel/devlink_settings.h"
#include "hal/accel/devlink_sf.h"
#include "hal/accel/pci_settings.h"
#include "hal/net/devlink.h"
#include "hal/net/rdma.h"
#include "hal/os/path.h"
#include "hal/pci/device_place.h"

namespace drapci::hal {
namespace {

constexpr const char* kMode = "eswitch_mode";
constexpr std::string_view kSwitchdev = "switchdev";
constexpr const char* kSfCounter = "sfs";
constexpr std::string_view kSfProfile = "sf";
constexpr uint64_t kBytesPerMegabit = 125'000;  // of a second

constexpr uint16_t kMellanox = 0x15b3, kNetronome = 0x19ee, kBroadcom = 0x14e4, kIntel = 0x8086;
// drivers/net/ethernet/intel/ice/ice_devids.h: E810 and E823 as PFs
constexpr uint16_t kIce[] = {0x1591, 0x1592, 0x1593, 0x1599, 0x159a, 0x159b,
                             0x188a, 0x188b, 0x188c, 0x188d, 0x188e};

// What a mode of the switch leaves to the rules of the switch.
std::string_view NotOfAPort(const VfSettings& settings) {
  if (settings.vlan || settings.qos || settings.service_vlan) return "VLAN";
  if (settings.spoof_check) return "spoof check";
  if (settings.trust) return "trust";
  if (settings.link_state) return "link state";
  return {};
}

Result<> CheckOfAPort(const VfSettings& settings, std::string_view target, const PciAddress& pf) {
  const std::string_view what = NotOfAPort(settings);
  if (what.empty()) return {};
  return Fail(Code::kUnsupported,
              fmt::format("{} of {}: in switchdev mode that is for the rules of the switch to "
                          "say, on the representor (`tc`, a bridge); leave it out, or set "
                          "eswitchMode: legacy for {}",
                          what, target, pf.ToString()));
}

std::optional<uint64_t> Bytes(const std::optional<int64_t>& megabits) {
  if (!megabits) return std::nullopt;
  return static_cast<uint64_t>(*megabits) * kBytesPerMegabit;
}

bool IsSwitchdev(const Description& now) {
  const auto mode = now.attributes.find(kMode);
  return mode != now.attributes.end() && std::get<std::string>(mode->second) == kSwitchdev;
}

}  // namespace

Result<Description> DevlinkNic::Describe(const std::set<std::string>& ours, Detail detail) const {
  DRAPCI_TRY(Description description, SriovAccelerator::Describe(ours, detail));
  AddSfs(description, ours, detail);
  AddRdmaAttributes(description, detail);
  Result<EswitchMode> now = Fail(Code::kUnsupported, "the kernel has no devlink");
  if (const auto devlink = Devlink::Open(host().netlink)) {
    now = devlink->Eswitch(DevlinkDevice::Of(pf()));
  }
  const std::string& wanted = policy().eswitch_mode;
  const bool chosen = !wanted.empty() && !HandedOver();
  // Of a part only what stays while claims come and go, which is what is published.
  if (chosen && detail == Detail::kFull) {
    for (Part& part : description.parts) part.attributes.emplace(kMode, wanted);
  }
  if (!now) {
    if (wanted.empty()) return description;
    // The whole needs no switch.
    for (Part& part : description.parts) {
      if (part.profile != kWholeProfile && part.unusable.empty()) {
        part.unusable = fmt::format("the configuration wants its switch in {} mode: {}", wanted,
                                    now.error().what);
      }
    }
    return description;
  }
  const std::string mode = chosen ? wanted : std::string(NameOf(*now));
  description.attributes.emplace(kMode, mode);
  if (HandedOver() && !wanted.empty() && wanted != NameOf(*now) && description.unusable.empty()) {
    description.unusable = fmt::format(
        "its switch is in {} mode, the configuration wants {}, and its virtual functions are "
        "somebody else's: change the mode where they are made, or leave it out here",
        NameOf(*now), wanted);
  }
  if (detail == Detail::kFull && *now != EswitchMode::kLegacy) AddPortAttributes(description);
  return description;
}

// The representors that are there.
void DevlinkNic::AddPortAttributes(Description& description) const {
  const auto devlink = Devlink::Open(host().netlink);
  const auto ports =
      devlink ? devlink->Ports(DevlinkDevice::Of(pf())) : Result<std::vector<DevlinkPort>>();
  if (!ports) return;
  for (const DevlinkPort& port : *ports) {
    if (port.external || port.netdev.empty() || port.pf != pf().function) continue;
    std::string name;
    if (port.flavour == PortFlavour::kPciVf && port.vf) name = VfName(static_cast<int>(*port.vf));
    if (const auto sf = SfNumberOf(port, pf()); sf && *sf >= kFirstSfNumber) {
      name = SfName(static_cast<int>(*sf - kFirstSfNumber));
    }
    if (name.empty()) continue;
    const auto part = std::ranges::find(description.parts, name, &Part::name);
    if (part != description.parts.end()) part->attributes.emplace("representor", port.netdev);
  }
}

void DevlinkNic::AddRdmaAttributes(Description& description, Detail detail) const {
  if (detail != Detail::kFull) return;
  const auto devices = RdmaDevices(host().sysfs, pf().SysfsPath());
  if (!devices || devices->empty()) return;
  const auto mode = ReadRdmaNamespaces(host().netlink);
  const bool shared = !mode || *mode == RdmaNamespaces::kShared;
  description.attributes.emplace("rdma_device", devices->front());
  description.attributes.emplace("rdma_namespaces", std::string(shared ? "shared" : "exclusive"));
  for (Part& part : description.parts) part.attributes.emplace("rdma", shared);
}

std::vector<Wanted> DevlinkNic::WishMode() const {
  std::vector<Wanted> wanted;
  if (policy().eswitch_mode.empty() || HandedOver()) return wanted;
  wanted.push_back({.setting = std::string(kEswitchSetting),
                    .target = pf().ToString(),
                    .value = policy().eswitch_mode,
                    .shared = true,
                    .initially = {}});
  return wanted;
}

Result<std::vector<Wanted>> DevlinkNic::Plan(const Description& now,
                                             const PartRequest& request) const {
  std::vector<Wanted> plan;
  if (ParseSfName(request.part)) {
    DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
    DRAPCI_TRY(plan, PlanSf(*part, request));
  } else {
    DRAPCI_TRY(plan, SriovAccelerator::Plan(now, request));
  }
  if (request.part.empty()) return plan;
  std::vector<Wanted> mode = WishMode();
  plan.insert(plan.begin(), std::make_move_iterator(mode.begin()),
              std::make_move_iterator(mode.end()));
  return plan;
}

Result<std::vector<Wanted>> DevlinkNic::Standing(const Description& now) const {
  DRAPCI_TRY(std::vector<Wanted> standing, SriovAccelerator::Standing(now));
  const bool makes_vfs = std::ranges::any_of(
      standing, [](const Wanted& each) { return each.setting == kSriovSetting; });
  if (!makes_vfs) return standing;
  std::vector<Wanted> mode = WishMode();
  standing.insert(standing.begin(), std::make_move_iterator(mode.begin()),
                  std::make_move_iterator(mode.end()));
  return standing;
}

Result<std::vector<Wanted>> DevlinkNic::WishVf(const Description& now, const std::string& target,
                                               const PartRequest& request) const {
  if (!IsSwitchdev(now)) return SriovAccelerator::WishVf(now, target, request);
  const VfSettings settings = WishedSettings(request);
  DRAPCI_CHECK(CheckOfAPort(settings, target, pf()));
  std::vector<Wanted> wanted{WishUp()};
  const PortState port{.mac = settings.mac, .tx_share = {}, .tx_max = {}, .up = true};
  std::ranges::move(WishPort(target, port, request), std::back_inserter(wanted));
  return wanted;
}

std::vector<Wanted> DevlinkNic::WishPort(const std::string& target, PortState port,
                                         const PartRequest& request) {
  const VfSettings settings = WishedSettings(request);
  const PortState rates{.mac = {},
                        .tx_share = Bytes(settings.min_rate),
                        .tx_max = Bytes(settings.max_rate),
                        .up = {}};
  std::vector<Wanted> wanted;
  const auto add = [&](const PortState& state, bool may_be_refused) {
    wanted.push_back({.setting = std::string(kPortSetting),
                      .target = target,
                      .value = state.ToString(),
                      .shared = false,
                      .initially = state.Defaults().ToString(),
                      .advisory = may_be_refused});
  };
  const bool advisory = request.network && request.network->advisory_rate;
  if (advisory && rates != PortState()) {
    add(rates, true);
  } else {
    port.tx_share = rates.tx_share;
    port.tx_max = rates.tx_max;
  }
  add(port, false);
  return wanted;
}

std::string DevlinkNic::SfKey(int index) const {
  return fmt::format("{} {}", kSfSetting, DevicePlace(pf(), index).ToString());
}

int DevlinkNic::OfferSfs(const std::set<std::string>& ours) const {
  const bool wanted = !HandedOver() && !policy().shares && policy().eswitch_mode == kSwitchdev;
  int offer = wanted ? std::min(policy().sub_functions, kMostSfs) : 0;
  const std::string prefix = fmt::format("{} {}/", kSfSetting, pf().ToString());
  for (auto key = ours.lower_bound(prefix); key != ours.end() && key->starts_with(prefix); ++key) {
    const auto index = ParseSfName(std::string_view(*key).substr(prefix.size()));
    if (index) offer = std::max(offer, *index + 1);
  }
  return offer;
}

void DevlinkNic::AddSfs(Description& description, const std::set<std::string>& ours,
                        Detail detail) const {
  const int offer = OfferSfs(ours);
  if (offer == 0) return;
  description.counters.emplace(kSfCounter, offer);
  std::map<uint32_t, uint32_t> others;  // sub-functions of somebody else: number -> port
  const auto devlink = Devlink::Open(host().netlink);
  const auto ports =
      devlink ? devlink->Ports(DevlinkDevice::Of(pf())) : Result<std::vector<DevlinkPort>>();
  for (const DevlinkPort& port : ports.value_or(std::vector<DevlinkPort>())) {
    const auto number = SfNumberOf(port, pf());
    if (!number) continue;
    const bool in_range = *number >= kFirstSfNumber && *number - kFirstSfNumber < kMostSfs;
    const bool made_here =
        in_range && ours.contains(SfKey(static_cast<int>(*number - kFirstSfNumber)));
    if (!made_here) others.emplace(*number, port.index);
  }
  std::map<std::string, AttributeValue> attributes;
  for (Part& part : description.parts) {
    if (part.profile != kWholeProfile) continue;
    part.consumes.emplace(kSfCounter, offer);
    attributes = part.attributes;
    if (!others.empty() && part.unusable.empty()) {
      part.unusable = fmt::format(
          "somebody else has made {} sub-functions of {}: remove them (`devlink port del`)",
          others.size(), pf().ToString());
    }
  }
  for (const char* own : {"address", "device", "iommu_group"}) attributes.erase(own);
  for (int index = 0; index < offer; ++index) {
    Part part;
    part.name = SfName(index);
    part.profile = kSfProfile;
    part.consumes.emplace(kSfCounter, 1);
    part.no_vfio = fmt::format(
        "{}/{} is a sub-function, which is no PCI function that VFIO could "
        "hand to user space; take a virtual function",
        pf().ToString(), part.name);
    const uint32_t number = kFirstSfNumber + static_cast<uint32_t>(index);
    if (const auto other = others.find(number); other != others.end()) {
      part.unusable = fmt::format(
          "somebody else has made sub-function {} of {}: remove it (`devlink port del pci/{}/{}`)",
          number, pf().ToString(), pf().ToString(), other->second);
    }
    if (detail == Detail::kFull) {
      part.attributes = attributes;
      part.attributes.emplace("pf", pf().ToString());
      part.attributes.emplace("sf", int64_t{index});
      part.attributes.emplace("sfnum", int64_t{number});
    }
    description.parts.push_back(std::move(part));
  }
}

Result<std::vector<Wanted>> DevlinkNic::PlanSf(const Part& part, const PartRequest& request) const {
  if (request.access == Access::kVfio) return Fail(Code::kUnsupported, part.no_vfio);
  const std::string target = fmt::format("{}/{}", pf().ToString(), part.name);
  const VfSettings settings = WishedSettings(request);
  DRAPCI_CHECK(CheckOfAPort(settings, target, pf()));
  const SfState state{.stage = SfState::Stage::kActive, .mac = settings.mac};
  std::vector<Wanted> plan{WishUp(),
                           {.setting = std::string(kSfSetting),
                            .target = target,
                            .value = state.ToString(),
                            .shared = false,
                            .initially = SfState().ToString()}};
  const PortState port{.mac = {}, .tx_share = {}, .tx_max = {}, .up = true};
  std::ranges::move(WishPort(target, port, request), std::back_inserter(plan));
  // The interface goes with the sub-function, wherever it is then.
  if (request.network && request.network->mtu) {
    if (auto interface = WishInterface(target, request)) plan.push_back(*std::move(interface));
  }
  return plan;
}

Result<ContainerEdits> DevlinkNic::Edits(const PartRequest& request, MonotonicTime deadline) const {
  const auto index = ParseSfName(request.part);
  if (!index) return SriovAccelerator::Edits(request, deadline);
  const DevicePlace place(pf(), *index);
  DRAPCI_TRY(const std::string path, place.Path(host().sysfs));
  return KernelEditsOf(place, BaseName(path), request, deadline);
}

bool IsSmartNicFunction(const PciFunction& function) {
  if (!IsSriovFunction(function) || function.class_code >> 16 != kNetworkClass) return false;
  const uint16_t vendor = function.vendor;
  if (vendor == kIntel) return std::ranges::find(kIce, function.device) != std::end(kIce);
  return vendor == kMellanox || vendor == kNetronome || vendor == kBroadcom;
}

std::unique_ptr<Accelerator> MakeSmartNicAccelerator(Host& host, PciFunction function,
                                                     AcceleratorPolicy policy,
                                                     std::string in_host_use) {
  return std::make_unique<DevlinkNic>(host, std::move(function), std::move(policy),
                                      std::move(in_host_use));
}

}  // namespace drapci::hal
