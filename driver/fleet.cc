#include "driver/fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "driver/cdi.h"
#include "hal/accel/pci_settings.h"
#include "hal/base/log.h"
#include "hal/pci/host_use.h"
#include "hal/pci/other_managers.h"

namespace drapci::driver {
namespace {

// Whether the same card, used the same way, was seen twice, first as `a`. What its settings change
// (the driver it is bound to) is read by Describe() and makes no new accelerator.
bool SameCard(const Facts& a, const Facts& b) {
  return hal::CardIdentity(a.function) == hal::CardIdentity(b.function) &&
         a.function.sriov_total == b.function.sriov_total &&
         a.function.iommu_group == b.function.iommu_group && a.policy == b.policy &&
         a.in_host_use == b.in_host_use &&
         // What its driver makes is known from the first time that it is seen with it.
         (a.function.has_drm || !b.function.has_drm);
}

constexpr const char* kRemoved = "it has been removed";

std::string Unreadable(Error error) { return std::move(error).Within("it cannot be read").what; }

std::string DriverOf(const hal::Description& description) {
  const auto driver = description.attributes.find("driver");
  if (driver == description.attributes.end()) return {};
  const auto* name = std::get_if<std::string>(&driver->second);
  return name == nullptr ? std::string() : *name;
}

// While a claim has the whole card through VFIO, its own driver does not say what there is. It will
// be there again: what was known stays listed, so that nothing is published for a while only.
void KeepWhatIsKnown(const hal::Description& own, hal::Description& now) {
  now.counters = own.counters;
  now.scale = own.scale;
  std::vector<hal::Part> parts;
  for (const hal::Part& known : own.parts) {
    hal::Part& part = parts.emplace_back(known);
    const auto found = std::ranges::find(now.parts, known.name, &hal::Part::name);
    if (found == now.parts.end()) {
      if (part.unusable.empty()) part.unusable = "the card is bound to " + DriverOf(now);
      continue;
    }
    part.unusable = found->unusable;
    part.no_vfio = found->no_vfio;
  }
  now.parts = std::move(parts);
}

}  // namespace

Fleet::Fleet(hal::Host& host, hal::PciScanner& scanner, const Config& config,
             std::function<std::set<std::string>(const std::string&)> changed_by_us)
    : host_(host), scanner_(scanner), config_(config), changed_by_us_(std::move(changed_by_us)) {}

Result<std::map<std::string, Facts>> Fleet::Look() {
  DRAPCI_TRY(const std::vector<hal::PciFunction> functions, scanner_.Scan());
  DRAPCI_TRY(const auto in_use, hal::FunctionsInHostUse(host_, functions));
  const auto managed = hal::OtherManagers(
      host_.sysfs, functions, config_.cdi_dir,
      [this](std::string_view file) { return IsOurCdiFile(config_.driver_name, file); });
  std::map<std::string, Facts> found;
  for (const hal::PciFunction& function : functions) {
    if (hal::MatchFamily(function) == nullptr) continue;
    Facts facts{.function = function, .policy = config_.PolicyFor(function), .in_host_use = {}};
    const bool handed_over = facts.policy.vfs == hal::AcceleratorPolicy::Vfs::kExisting;
    if (const auto reason = in_use.find(function.address); reason != in_use.end()) {
      facts.in_host_use = reason->second;
    } else if (const auto who = managed.find(function.address);
               who != managed.end() && !handed_over) {
      facts.in_host_use = who->second + "; set vfs: existing for it to hand it over";
    }
    found.emplace(hal::AcceleratorName(function.address), std::move(facts));
  }
  return found;
}

std::vector<std::string> Fleet::Names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(units_.size());
  for (const auto& [name, unit] : units_) names.push_back(name);
  return names;
}

std::string Fleet::AcceleratorOf(std::string_view device) const {
  const std::lock_guard lock(mutex_);
  for (std::string_view name = device; !name.empty();) {
    if (const auto found = units_.find(name); found != units_.end()) return found->first;
    const size_t dash = name.rfind('-');
    if (dash == std::string_view::npos) break;
    name = name.substr(0, dash);
  }
  return {};
}

std::string Fleet::Identity(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto unit = units_.find(name);
  if (unit == units_.end() || !unit->second.facts) return {};
  return hal::CardIdentity(unit->second.facts->function);
}

std::vector<AcceleratorView> Fleet::Cards() const {
  const std::lock_guard lock(mutex_);
  std::vector<AcceleratorView> cards;
  for (const auto& [name, unit] : units_) {
    AcceleratorView& card = cards.emplace_back();
    card.name = name;
    card.gone = !unit.facts.has_value();
    if (unit.accelerator != nullptr) {
      card.family = unit.accelerator->family();
      card.function = unit.accelerator->function();
    } else if (const auto address = hal::AcceleratorAddress(name)) {
      card.function.address = *address;
    }
    const auto driver = unit.description.attributes.find("driver");
    if (driver != unit.description.attributes.end()) {
      card.function.driver = std::get<std::string>(driver->second);
    }
  }
  return cards;
}

std::vector<AcceleratorView> Fleet::Views() const {
  const std::lock_guard lock(mutex_);
  std::vector<AcceleratorView> views;
  for (const auto& [name, unit] : units_) {
    AcceleratorView& view = views.emplace_back();
    view.name = name;
    view.description = unit.description;
    view.gone = !unit.facts.has_value();
    if (unit.facts) view.policy = unit.facts->policy;
    if (unit.accelerator != nullptr) {
      view.family = unit.accelerator->family();
      view.function = unit.accelerator->function();
    } else if (const auto address = hal::AcceleratorAddress(name)) {
      view.function.address = *address;
    }
    const std::string& why =
        !unit.description.unusable.empty() ? unit.description.unusable : unit.description.foreign;
    for (const hal::Part& part : unit.description.parts) {
      if (part.stands_for_share) continue;
      view.devices.push_back({.name = DeviceName(name, part.name),
                              .part = part,
                              .held_by = {},
                              .unusable = why.empty() ? part.unusable : why,
                              .excluded = {}});
    }
  }
  std::ranges::sort(views, {}, [](const AcceleratorView& view) {
    return std::tie(view.function.address, view.name);
  });
  return views;
}

bool Fleet::Update(const std::string& name, const std::optional<Facts>& facts, bool held) {
  if (!facts) {
    const std::lock_guard lock(mutex_);
    const auto unit = units_.find(name);
    if (!held) {
      if (unit != units_.end()) Log(LogLevel::kNotice, "{} has been removed", name);
      units_.erase(name);
      return false;
    }
    if (unit == units_.end() || unit->second.facts) {
      Log(LogLevel::kWarning, "{} has been removed while a claim holds it", name);
    }
    Unit& gone = units_[name];
    gone.facts.reset();
    gone.description.unusable = kRemoved;
    return false;
  }
  bool arrived = true;
  {
    const std::lock_guard lock(mutex_);
    const auto unit = units_.find(name);
    if (unit != units_.end() && unit->second.facts) {
      const hal::PciFunction& before = unit->second.facts->function;
      arrived = (before.driver.empty() && !facts->function.driver.empty()) ||
                !hal::SameIdentity(hal::CardIdentity(before), hal::CardIdentity(facts->function));
    }
    if (unit != units_.end() && unit->second.facts && SameCard(*unit->second.facts, *facts)) {
      const bool has_drm = unit->second.facts->function.has_drm;
      unit->second.facts = facts;
      unit->second.facts->function.has_drm |= has_drm;
    } else {
      const hal::Family* family = hal::MatchFamily(facts->function);
      Unit fresh;
      fresh.accelerator = family->make(host_, facts->function, facts->policy, facts->in_host_use);
      fresh.facts = facts;
      Log(LogLevel::kInfo, "found {}: {} [{:04x}:{:04x}], family {}", name,
          facts->function.device_name, facts->function.vendor, facts->function.device,
          family->name);
      units_.insert_or_assign(name, std::move(fresh));
    }
  }
  Refresh(name);
  return arrived;
}

void Fleet::Refresh(const std::string& name) {
  const auto accelerator = Find(name);
  if (!accelerator) return;  // gone: what was last known of it stays
  const std::set<std::string> ours = changed_by_us_(name);
  auto now = (*accelerator)->Describe(ours, hal::Accelerator::Detail::kFull);
  const std::lock_guard lock(mutex_);
  Unit& unit = units_.find(name)->second;
  if (now) {
    const std::string key =
        fmt::format("{} {}", hal::kDriverSetting, (*accelerator)->function().address.ToString());
    if (!ours.contains(key)) {
      unit.own = *now;
    } else if (!unit.own.parts.empty() && DriverOf(*now) != DriverOf(unit.own)) {
      KeepWhatIsKnown(unit.own, *now);
    }
    unit.description = *std::move(now);
    return;
  }
  // What is known of its parts stays: claims may hold some.
  if (now.error().code == Code::kGone) {
    Log(LogLevel::kNotice, "{} has been removed", name);
    unit.facts.reset();
    unit.description.unusable = kRemoved;
  } else {
    unit.description.unusable = Unreadable(std::move(now).error());
  }
}

Result<const hal::Accelerator*> Fleet::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto unit = units_.find(name);
  if (unit == units_.end()) {
    return Fail(Code::kNotFound, fmt::format("there is no accelerator '{}'", name));
  }
  if (!unit->second.facts) {
    return Fail(Code::kGone, fmt::format("{} has been removed from the machine", name));
  }
  return unit->second.accelerator.get();
}

Result<Candidate> Fleet::Take(const std::string& name) const {
  DRAPCI_TRY(const hal::Accelerator* accelerator, Find(name));
  Candidate candidate{.accelerator = accelerator, .now = {}};
  auto now = accelerator->Describe(changed_by_us_(name), hal::Accelerator::Detail::kBrief);
  if (now) {
    candidate.now = *std::move(now);
  } else {
    candidate.now.unusable = Unreadable(std::move(now).error());
  }
  return candidate;
}

void Fleet::Forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto unit = units_.find(name);
  if (unit != units_.end() && !unit->second.facts) units_.erase(unit);
}

}  // namespace drapci::driver
