// Which kernel driver a function is bound to, and changing it.
//
// /sys/bus/pci/devices/<BDF>/{driver,driver_override}, /sys/bus/pci/drivers/<name>/{bind,unbind},
// /sys/bus/pci/drivers_probe. Never new_id: it makes the driver grab every matching function. All
// operations are idempotent and wait, by event, for what the kernel finishes late.
#pragma once

#include <string>
#include <string_view>

#include "hal/os/host.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// Value of the setting "pci.driver" (see hal/accel/setting.h).
struct DriverBinding {
  std::string driver;           // bound driver; empty: unbound
  std::string driver_override;  // empty: not set ("(null)")
  bool operator==(const DriverBinding&) const = default;
};

Result<DriverBinding> ReadBinding(const Sysfs& sysfs, const PciAddress& address);

// Brings the function to `want`: override first, then unbind from a different driver, then probe,
// then wait until the driver link is there. When the probe of the driver was refused, the error
// carries the errno of an explicit bind. An empty want.driver leaves the function unbound.
Result<> ApplyBinding(Host& host, const PciAddress& address, const DriverBinding& want,
                      MonotonicTime deadline);

// Lets the kernel choose the driver as it would at boot: clears an override, unbinds a vfio driver,
// probes. kUnsupported, naming the ids, when no loaded driver takes it.
Result<> BindKernelDriver(Host& host, const PciAddress& address, MonotonicTime deadline);

// vfio-pci and its variants ("mlx5_vfio_pci", "xe-vfio-pci"): drivers that hand the function to a
// process.
bool IsVfioDriver(std::string_view driver);

}  // namespace drapci::hal
