#include "hal/pci/driver_binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "hal/base/parse.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

// How long udev may take to load the module of a function that has just become free for any driver.
constexpr std::chrono::seconds kModuleLoad{5};

std::string DriverDir(std::string_view driver) {
  return fmt::format("/sys/bus/pci/drivers/{}", driver);
}

Result<std::string> BoundDriver(const Sysfs& sysfs, const PciAddress& address) {
  return LinkName(sysfs, address.SysfsPath() + "/driver");
}

Error Gone(const PciAddress& address) {
  return {Code::kGone, ENODEV, fmt::format("PCI function {} is not there", address.ToString())};
}

// ENODEV and ENOENT of a bind or unbind also mean "not this driver's": gone only when it is gone.
std::unexpected<Error> Explain(const Sysfs& sysfs, const PciAddress& address, Error error) {
  if (!sysfs.Exists(address.SysfsPath())) {
    return Fail({Code::kGone, error.sys,
                 fmt::format("{}; PCI function {} is gone", error.what, address.ToString())});
  }
  if (error.code == Code::kGone) error.code = Code::kUnsupported;
  return Fail(std::move(error));
}

Result<> SetOverride(Host& host, const PciAddress& address, std::string_view now,
                     std::string_view want) {
  if (now == want) return {};
  Result<> written = host.sysfs.Write(address.SysfsPath() + "/driver_override",
                                      want.empty() ? std::string_view("\n") : want);
  if (!written) return Explain(host.sysfs, address, std::move(written).error());
  return {};
}

// Leaves the function without a driver. An unbind that finds nothing to unbind has raced with
// another.
Result<> Unbind(Host& host, const PciAddress& address, const std::string& driver) {
  Result<> written = host.sysfs.Write(DriverDir(driver) + "/unbind", address.ToString());
  if (written) return {};
  const Result<std::string> now = BoundDriver(host.sysfs, address);
  if (now && now->empty() && host.sysfs.Exists(address.SysfsPath())) return {};
  return Explain(host.sysfs, address, std::move(written).error());
}

Result<> Probe(Host& host, const PciAddress& address) {
  Result<> written = host.sysfs.Write("/sys/bus/pci/drivers_probe", address.ToString());
  if (!written) return Explain(host.sysfs, address, std::move(written).error());
  return {};
}

// The driver that the function has once it has any, waiting up to `deadline`; empty when it stays
// without.
Result<std::string> AwaitDriver(Host& host, const PciAddress& address, MonotonicTime deadline) {
  Result<std::string> driver;
  host.events.WaitUntil(
      [&] {
        driver = BoundDriver(host.sysfs, address);
        return !driver || !driver->empty() || !host.sysfs.Exists(address.SysfsPath());
      },
      deadline);
  if (!host.sysfs.Exists(address.SysfsPath())) return Fail(Gone(address));
  return driver;
}

// drivers_probe succeeds whether or not a driver took the function; an explicit bind has the errno.
Result<> BindExplicitly(Host& host, const PciAddress& address, const std::string& driver) {
  Result<> bound = host.sysfs.Write(DriverDir(driver) + "/bind", address.ToString());
  if (bound) return {};
  // EBUSY: it got a driver meanwhile. EAGAIN: its probe is deferred. Both are waited for.
  if (bound.error().sys == EBUSY || bound.error().sys == EAGAIN) {
    const Result<std::string> now = BoundDriver(host.sysfs, address);
    if (bound.error().sys == EAGAIN || (now && !now->empty())) return {};
  }
  return Explain(host.sysfs, address, std::move(bound).error());
}

// Binds an unbound function to `driver`. Where `override` is not set, the driver must match by
// itself, which it cannot on a VF whose PF has sriov_drivers_autoprobe=0 (drivers/pci/pci-driver.c,
// pci_device_can_probe): the override then helps it over the moment of binding.
Result<> BindTo(Host& host, const PciAddress& address, const DriverBinding& want) {
  DRAPCI_CHECK(Probe(host, address));
  DRAPCI_TRY(const std::string probed, BoundDriver(host.sysfs, address));
  if (!probed.empty()) return {};
  if (!want.driver_override.empty()) return BindExplicitly(host, address, want.driver);
  DRAPCI_CHECK(SetOverride(host, address, "", want.driver));
  Result<> bound = BindExplicitly(host, address, want.driver);
  Result<> cleared = SetOverride(host, address, want.driver, "");
  return bound ? cleared : bound;
}

// "8086:10ca"
std::string Ids(const Sysfs& sysfs, const PciAddress& address) {
  const auto read = [&](const char* name) {
    const Result<std::string> text = sysfs.Read(fmt::format("{}/{}", address.SysfsPath(), name));
    const std::string_view digits = text ? std::string_view(*text) : "?";
    return std::string(digits.starts_with("0x") ? digits.substr(2) : digits);
  };
  return fmt::format("{}:{}", read("vendor"), read("device"));
}

// The file that keeps drivers off the VFs of its PF, when `address` is a VF and it says so.
std::optional<std::string> AutoprobeOff(const Sysfs& sysfs, const PciAddress& address) {
  const Result<std::string> link = LinkName(sysfs, address.SysfsPath() + "/physfn");
  const auto pf = link ? PciAddress::Parse(*link) : std::nullopt;
  if (!pf) return std::nullopt;
  std::string file = pf->SysfsPath() + "/sriov_drivers_autoprobe";
  const Result<std::string> text = sysfs.Read(file);
  if (!text || Trim(*text) != "0") return std::nullopt;
  return file;
}

}  // namespace

bool IsVfioDriver(std::string_view driver) {
  std::string name(driver);
  std::ranges::replace(name, '_', '-');
  return name.ends_with("vfio-pci");
}

Result<DriverBinding> ReadBinding(const Sysfs& sysfs, const PciAddress& address) {
  DriverBinding binding;
  DRAPCI_TRY(binding.driver, BoundDriver(sysfs, address));
  Result<std::string> text = sysfs.Read(address.SysfsPath() + "/driver_override");
  if (text) {
    if (*text != "(null)") binding.driver_override = *std::move(text);
  } else if (!sysfs.Exists(address.SysfsPath())) {
    return Fail(Gone(address));
  } else if (text.error().sys != ENOENT) {
    return Fail(std::move(text).error());
  }
  return binding;
}

Result<> ApplyBinding(Host& host, const PciAddress& address, const DriverBinding& want,
                      MonotonicTime deadline) {
  DRAPCI_TRY(const DriverBinding now, ReadBinding(host.sysfs, address));
  if (now == want) return {};
  if (!want.driver.empty() && !host.sysfs.Exists(DriverDir(want.driver))) {
    return Fail(Code::kUnsupported,
                fmt::format("bind {} to {}: no such PCI driver is loaded; load its module first "
                            "(modprobe {})",
                            address.ToString(), want.driver, want.driver));
  }
  DRAPCI_CHECK(SetOverride(host, address, now.driver_override, want.driver_override));
  if (!now.driver.empty() && now.driver != want.driver) {
    DRAPCI_CHECK(Unbind(host, address, now.driver));
  }
  if (want.driver.empty() || now.driver == want.driver) return {};
  DRAPCI_CHECK(BindTo(host, address, want));
  DRAPCI_TRY(const std::string got, AwaitDriver(host, address, deadline));
  if (got == want.driver) return {};
  if (got.empty()) {
    return Fail(Code::kTimeout, fmt::format("bind {} to {}: the driver's probe did not finish in "
                                            "time; see the kernel log",
                                            address.ToString(), want.driver));
  }
  return Fail(Code::kConflict, fmt::format("bind {} to {}: driver {} took it meanwhile",
                                           address.ToString(), want.driver, got));
}

Result<> BindKernelDriver(Host& host, const PciAddress& address, MonotonicTime deadline) {
  DRAPCI_TRY(const DriverBinding now, ReadBinding(host.sysfs, address));
  const bool vfio = IsVfioDriver(now.driver);
  if (!now.driver.empty() && !vfio) return {};
  DRAPCI_CHECK(SetOverride(host, address, now.driver_override, ""));
  if (vfio) DRAPCI_CHECK(Unbind(host, address, now.driver));
  if (const auto file = AutoprobeOff(host.sysfs, address)) {
    return Fail(Code::kUnsupported,
                fmt::format("bind {} to its kernel driver: {} is 0, so no driver takes its VFs; "
                            "write 1 to it",
                            address.ToString(), *file));
  }
  DRAPCI_CHECK(Probe(host, address));
  // The probe is over when the write returns; only a module that udev is still loading comes later.
  const bool late = host.events.Source() == "udev";
  const MonotonicTime soon = late ? host.clock.Now() + kModuleLoad : host.clock.Now();
  DRAPCI_TRY(const std::string got, AwaitDriver(host, address, std::min(soon, deadline)));
  if (!got.empty()) return {};
  return Fail(
      Code::kUnsupported,
      fmt::format("bind {} to its kernel driver: no loaded driver takes {}; load its module",
                  address.ToString(), Ids(host.sysfs, address)));
}

}  // namespace drapci::hal
