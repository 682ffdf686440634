// Functions coming and going: boot, hot-plug, rescan, slots.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "test/sim/kernel/config_bytes.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

std::string BusName(int domain, int bus) { return fmt::format("{:04x}:{:02x}", domain, bus); }

}  // namespace

Function* Kernel::Impl::Get(const PciAddress& address) {
  auto found = functions.find(address);
  return found == functions.end() ? nullptr : found->second.get();
}

void Kernel::Impl::MakeBus(int domain, int bus) {
  std::string dir = fmt::format("/sys/devices/pci{}", BusName(domain, bus));
  if (tree.Find(dir)) return;
  tree.MakeDirectory(dir);
  tree.MakeText(dir + "/uevent", "", 0644).store = [](std::string_view, size_t) { return 0; };
  tree.MakeText(dir + "/power/control", "auto\n", 0644);
}

Result<> Kernel::Impl::Add(FunctionSpec spec, std::optional<PciAddress> physfn, unsigned vf_index) {
  std::string above;
  if (spec.parent) {
    Function* bridge = Get(*spec.parent);
    if (bridge == nullptr) {
      return Fail(Code::kInvalid, fmt::format("{}: no bridge {} to sit below",
                                              spec.address.ToString(), spec.parent->ToString()));
    }
    above = bridge->dir;
  } else {
    MakeBus(static_cast<int>(spec.address.domain), spec.root_bus);
    above = fmt::format("/sys/devices/pci{}",
                        BusName(static_cast<int>(spec.address.domain), spec.root_bus));
  }
  if (functions.contains(spec.address)) {
    return Fail(Code::kConflict, spec.address.ToString() + ": address is taken");
  }
  if (!spec.driver.empty() && !drivers.contains(spec.driver)) {
    MakeDriver({.name = spec.driver,
                .ids = {{.vendor = spec.vendor, .device = spec.device}},
                .sriov_configure = spec.sriov.has_value(),
                .override_only = false,
                .vfio = false,
                .probe_error = 0});
  }
  if (spec.sriov && !spec.sriov->vf_driver.empty() && !drivers.contains(spec.sriov->vf_driver)) {
    MakeDriver({.name = spec.sriov->vf_driver,
                .ids = {{.vendor = spec.vendor, .device = spec.sriov->vf_device}},
                .sriov_configure = false,
                .override_only = false,
                .vfio = false,
                .probe_error = 0});
  }
  auto owned = std::make_unique<Function>();
  Function& function = *owned;
  function.spec = std::move(spec);
  function.physfn = physfn;
  function.vf_index = vf_index;
  const PciAddress address = function.spec.address;
  const std::string name = address.ToString();
  function.dir = above + "/" + name;
  function.config = function.spec.config.empty() ? MakeConfig(function.spec, physfn.has_value())
                                                 : function.spec.config;
  functions.emplace(address, std::move(owned));

  tree.MakeDirectory(function.dir);
  tree.MakeLinkTo("/sys/bus/pci/devices/" + name, function.dir);
  tree.MakeLinkTo(function.dir + "/subsystem", "/sys/bus/pci");
  JoinGroup(function);
  MakeAttributes(function);
  if (function.spec.slot) MakeSlot(function);
  Emit(EventOf(function, "add"));
  if (physfn) {
    // drivers/pci/iov.c pci_iov_sysfs_link: the links, then a change event of the VF.
    Function& pf = *Get(*physfn);
    tree.MakeLinkTo(fmt::format("{}/virtfn{}", pf.dir, vf_index), function.dir);
    tree.MakeLinkTo(function.dir + "/physfn", pf.dir);
    Emit(EventOf(function, "change"));
  }
  if (autoprobe && LockDevice(address)) {
    Probe(address);
    unsigned initial = function.spec.sriov ? function.spec.sriov->initial : 0;
    if (initial > 0 && !function.driver.empty()) MakeVfs(address, initial);
    UnlockDevice(address);
  }
  return {};
}

std::vector<PciAddress> Kernel::Impl::Below(const Function& function) const {
  std::vector<PciAddress> below;
  for (const auto& [address, other] : functions) {
    if (other->dir.starts_with(function.dir + "/") && !other->physfn) below.push_back(address);
  }
  return below;
}

void Kernel::Impl::Delete(const PciAddress& address) {
  Function* function = Get(address);
  if (function == nullptr) return;
  // Deepest first; VFs go with their PF when its driver lets go.
  std::vector<PciAddress> below = Below(*function);
  std::ranges::sort(below, [this](const PciAddress& a, const PciAddress& b) {
    return Get(a)->dir.size() > Get(b)->dir.size();
  });
  for (const PciAddress& child : below) Delete(child);
  if (!LockDevice(address)) return;
  function = Get(address);
  DisableVfs(address);
  Detach(address);
  Uevent removed = EventOf(*function, "remove");
  if (function->physfn) {
    if (Function* pf = Get(*function->physfn)) {
      tree.Remove(fmt::format("{}/virtfn{}", pf->dir, function->vf_index));
    }
  }
  if (function->spec.slot) RemoveSlots(*function);
  LeaveGroup(*function);
  tree.Remove("/sys/bus/pci/devices/" + address.ToString());
  tree.Remove(function->dir);
  functions.erase(address);
  UnlockDevice(address);
  Emit(std::move(removed));
}

int Kernel::Impl::Rescan() {
  std::vector<PciAddress> found;
  for (const auto& [address, spec] : specs) {
    if (!functions.contains(address) && !out.contains(address)) found.push_back(address);
  }
  // A bridge has to be there before what hangs below it.
  bool progress = true;
  while (progress) {
    progress = false;
    for (const PciAddress& address : found) {
      const FunctionSpec& spec = specs.at(address);
      if (functions.contains(address) || (spec.parent && !functions.contains(*spec.parent))) {
        continue;
      }
      progress = Add(spec, std::nullopt, 0).has_value() || progress;
    }
  }
  return 0;
}

std::string Kernel::Impl::Uevents(const Function& function) const {
  std::string text;
  for (const auto& [key, value] : EventOf(function, "").properties) {
    text += fmt::format("{}={}\n", key, value);
  }
  return text;
}

Uevent Kernel::Impl::EventOf(const Function& function, std::string action) const {
  // drivers/pci/pci-driver.c pci_uevent.
  const FunctionSpec& spec = function.spec;
  Uevent event{.action = std::move(action),
               .devpath = function.dir.substr(4),
               .subsystem = "pci",
               .properties = {}};
  if (!function.driver.empty()) event.properties.emplace_back("DRIVER", function.driver);
  event.properties.emplace_back("PCI_CLASS", fmt::format("{:X}", spec.class_code));
  event.properties.emplace_back("PCI_ID", fmt::format("{:04X}:{:04X}", spec.vendor, spec.device));
  event.properties.emplace_back(
      "PCI_SUBSYS_ID", fmt::format("{:04X}:{:04X}", spec.subsystem_vendor, spec.subsystem_device));
  event.properties.emplace_back("PCI_SLOT_NAME", spec.address.ToString());
  event.properties.emplace_back("MODALIAS", Modalias(spec));
  return event;
}

void Kernel::Impl::MakeSlot(Function& bridge) {
  const std::string dir = "/sys/bus/pci/slots/" + bridge.spec.slot->name;
  const PciAddress address = bridge.spec.address;
  int bus = bridge.spec.buses ? bridge.spec.buses->first : 0;
  tree.MakeText(dir + "/address",
                fmt::format("{}:00\n", BusName(static_cast<int>(address.domain), bus)));
  auto occupied = [this, address] {
    return std::ranges::any_of(
        functions, [&](const auto& entry) { return entry.second->spec.parent == address; });
  };
  auto physically = [this, address] {
    return std::ranges::any_of(specs, [&](const auto& entry) {
      return entry.second.parent == address && !out.contains(entry.first);
    });
  };
  tree.MakeFile(dir + "/adapter", 0444,
                [physically] { return std::string(physically() ? "1\n" : "0\n"); });
  tree.MakeFile(
      dir + "/power", 0644, [occupied] { return std::string(occupied() ? "1\n" : "0\n"); },
      [this, address](std::string_view value, size_t) { return StoreSlotPower(address, value); });
  tree.MakeText(dir + "/cur_bus_speed", bridge.spec.link_speed + "\n");
  tree.MakeText(dir + "/max_bus_speed", bridge.spec.max_link_speed + "\n");
  Writable(dir + "/attention", 0644, "0\n", [](std::string_view value) {
    auto number = KernelNumber(value);
    return number && *number <= 2 ? 0 : EINVAL;
  });
}

void Kernel::Impl::RemoveSlots(const Function& bridge) {
  tree.Remove("/sys/bus/pci/slots/" + bridge.spec.slot->name);
}

// drivers/pci/hotplug/pci_hotplug_core.c power_write_file, pciehp_sysfs_{en,dis}able_slot.
int Kernel::Impl::StoreSlotPower(const PciAddress& bridge, std::string_view value) {
  auto number = KernelNumber(value);
  if (!number || *number > 1) return EINVAL;
  std::vector<PciAddress> present, absent;
  for (const auto& [address, spec] : specs) {
    if (spec.parent != bridge || out.contains(address)) continue;
    (functions.contains(address) ? present : absent).push_back(address);
  }
  if (*number == 0) {
    if (present.empty()) return ENODEV;
    for (const PciAddress& address : present) Delete(address);
    return 0;
  }
  if (!present.empty() || absent.empty()) return ENODEV;
  return Rescan();
}

}  // namespace drapci::sim
