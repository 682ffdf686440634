// Drivers and binding (drivers/base/{bus,dd}.c, drivers/pci/pci-driver.c).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"
#include "test/sim/drivers/driver_model.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {

void Kernel::Impl::MakeDriver(const DriverSpec& spec) {
  drivers[spec.name] = spec;
  const std::string dir = "/sys/bus/pci/drivers/" + spec.name;
  const std::string name = spec.name;
  auto store = [&](const char* file, const auto& action) {
    tree.MakeFile(dir + "/" + file, 0200, {}, action);
  };
  store("bind", [this, name](std::string_view value, size_t) { return StoreBind(name, value); });
  store("unbind",
        [this, name](std::string_view value, size_t) { return StoreUnbind(name, value); });
  store("new_id",
        [this, name](std::string_view value, size_t) { return StoreNewId(name, value, true); });
  store("remove_id",
        [this, name](std::string_view value, size_t) { return StoreNewId(name, value, false); });
  store("uevent", [](std::string_view, size_t) { return 0; });
  if (!spec.vfio) return;
  // The container device of the VFIO core; a misc device, so 10:196 (include/linux/miscdevice.h).
  ChildDevice container{.path = "vfio",
                        .subsystem = "misc",
                        .devname = "vfio/vfio",
                        .type = 'c',
                        .major = 10,
                        .minor = 196,
                        .permissions = 0666,
                        .files = {}};
  if (!nodes.contains("/dev/vfio/vfio")) MakeChild("/sys/devices/virtual/misc", container);
  if (options.vfio_cdev && !nodes.contains("/dev/iommu")) {
    MakeChild("/sys/devices/virtual/misc", {.path = "iommu",
                                            .subsystem = "misc",
                                            .devname = "iommu",
                                            .type = 'c',
                                            .major = 10,
                                            .minor = 125,
                                            .permissions = 0660,
                                            .files = {}});
  }
}

bool Kernel::Impl::Matches(const DriverSpec& driver, const Function& function) const {
  if (!function.driver_override.empty()) return function.driver_override == driver.name;
  auto same = [&](const DriverSpec::Id& id) {
    return id.vendor == function.spec.vendor && id.device == function.spec.device;
  };
  return std::ranges::any_of(driver.ids, same);
}

int Kernel::Impl::Attach(const PciAddress& address, const std::string& driver) {
  Function& function = *Get(address);
  // drivers/pci/pci-driver.c pci_device_can_probe.
  if (function.physfn && function.driver_override.empty()) {
    Function* pf = Get(*function.physfn);
    if (pf != nullptr && !pf->vf_autoprobe) return ENODEV;
  }
  const DriverSpec& spec = drivers.at(driver);
  if (spec.probe_error != 0) return spec.probe_error;
  if (spec.vfio && !function.group) return EINVAL;  // drivers/vfio/group.c: no IOMMU group
  if (Function* pf = function.physfn ? Get(*function.physfn) : nullptr; pf && pf->model) {
    if (const int error = pf->model->ProbeVf(function.vf_index, driver)) return error;
  }
  function.driver = driver;
  function.enabled = true;
  tree.MakeLinkTo(function.dir + "/driver", "/sys/bus/pci/drivers/" + driver);
  tree.MakeLinkTo(fmt::format("/sys/bus/pci/drivers/{}/{}", driver, address.ToString()),
                  function.dir);
  tree.Remove(function.dir + "/waiting_for_supplier");
  if (spec.vfio) {
    MakeVfio(function);
  } else {
    MakeChildren(function);
    if (!function.spec.model.empty()) function.model = MakeDriverModel(driver, *this, address);
    if (function.model) function.model->Bound();
  }
  Emit(EventOf(function, "bind"));
  return 0;
}

void Kernel::Impl::Detach(const PciAddress& address) {
  Function& function = *Get(address);
  if (function.driver.empty()) return;
  const std::string driver = function.driver;
  // A driver that can make VFs takes them down when it lets go of the PF.
  if (drivers.at(driver).sriov_configure) DisableVfs(address);
  if (drivers.at(driver).vfio) {
    RemoveVfio(function);
  } else {
    if (function.model) function.model->Unbound();
    function.model.reset();
    RemoveChildren(function);
  }
  tree.Remove(function.dir + "/driver");
  tree.Remove(fmt::format("/sys/bus/pci/drivers/{}/{}", driver, address.ToString()));
  tree.MakeText(function.dir + "/waiting_for_supplier", "0\n");
  function.driver.clear();
  function.enabled = false;
  Emit(EventOf(function, "unbind"));
}

void Kernel::Impl::Probe(const PciAddress& address) {
  Function& function = *Get(address);
  if (!function.driver.empty()) return;
  // The driver that the board names comes first; the rest in order of registration names.
  if (const std::string& own = function.spec.driver;
      !own.empty() && Matches(drivers.at(own), function) && Attach(address, own) == 0) {
    return;
  }
  for (const auto& [name, driver] : drivers) {
    if (driver.override_only && function.driver_override != name && driver.ids.empty()) continue;
    // A failed probe is no error of the match loop (__device_attach_driver).
    if (Matches(driver, function) && Attach(address, name) == 0) return;
  }
  if (!tree.Find(function.dir + "/waiting_for_supplier")) {
    tree.MakeText(function.dir + "/waiting_for_supplier", "0\n");
  }
}

int Kernel::Impl::StoreBind(const std::string& driver, std::string_view value) {
  auto address = PciAddress::Parse(Line(value));
  if (!address || !functions.contains(*address)) return ENODEV;
  if (!Matches(drivers.at(driver), *Get(*address))) return ENODEV;
  if (!LockDevice(*address)) return ENODEV;
  int error = Get(*address)->driver.empty() ? Attach(*address, driver) : EBUSY;
  UnlockDevice(*address);
  return error;
}

int Kernel::Impl::StoreUnbind(const std::string& driver, std::string_view value) {
  auto address = PciAddress::Parse(Line(value));
  if (!address || !functions.contains(*address)) return ENODEV;
  if (Get(*address)->driver != driver) return ENODEV;
  if (!LockDevice(*address)) return ENODEV;
  int error = Get(*address)->driver == driver ? 0 : ENODEV;
  if (error == 0) Detach(*address);
  UnlockDevice(*address);
  return error;
}

int Kernel::Impl::StoreProbe(std::string_view value) {
  auto address = PciAddress::Parse(Line(value));
  if (!address || !LockDevice(*address)) return ENODEV;
  Probe(*address);
  UnlockDevice(*address);
  return 0;
}

int Kernel::Impl::StoreNewId(const std::string& driver, std::string_view value, bool add) {
  auto words = Split(Trim(value), ' ');
  if (words.size() < 2) return EINVAL;
  auto vendor = ParseHex<uint16_t>(words[0]);
  auto device = ParseHex<uint16_t>(words[1]);
  if (!vendor || !device) return EINVAL;
  auto& ids = drivers.at(driver).ids;
  DriverSpec::Id id{.vendor = *vendor, .device = *device};
  auto found = std::ranges::find(ids, id);
  if (!add) {
    if (found == ids.end()) return ENODEV;
    ids.erase(found);
    return 0;
  }
  if (found != ids.end()) return EEXIST;
  ids.push_back(id);
  std::vector<PciAddress> waiting;
  for (const auto& [address, function] : functions) {
    if (function->driver.empty() && Matches(drivers.at(driver), *function))
      waiting.push_back(address);
  }
  for (const PciAddress& address : waiting) {
    if (!LockDevice(address)) continue;
    // The probe's result is not reported (driver_attach).
    if (Get(address)->driver.empty()) std::ignore = Attach(address, driver);
    UnlockDevice(address);
  }
  return 0;
}

}  // namespace drapci::sim
