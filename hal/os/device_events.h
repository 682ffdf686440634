// What the kernel and udev say about devices, and waiting for it.
//
// Waiting in drapci is always this: a condition that is looked at again after each event, with a
// deadline. There is no sleep anywhere.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hal/base/result.h"
#include "hal/os/clock.h"

namespace drapci::hal {

struct DeviceEvent {
  std::string action;     // add, remove, change, bind, unbind, move; empty when events were lost
  std::string subsystem;  // pci, net, vfio, drm, ...
  std::string devpath;    // below /sys, "/devices/pci0000:00/..."
  bool lost = false;      // the socket overflowed (ENOBUFS): look at everything again
  // Those of kEventProperties that the event has, as the kernel has sent them.
  std::map<std::string, std::string, std::less<>> properties;
};

// What is passed on of the properties of an event: of PCI Express error recovery
// (Documentation/PCI/pcieaer-howto.rst), of a GPU that hangs (Documentation/gpu/drm-uapi.rst), and
// which driver was bound.
inline constexpr std::array<std::string_view, 4> kEventProperties = {"DEVICE_ONLINE", "DRIVER",
                                                                     "ERROR_EVENT", "WEDGED"};

class DeviceEvents {
 public:
  virtual ~DeviceEvents() = default;

  // Calls `listener` for each event, on the event thread: it must not block. One listener; set it
  // before events matter, an empty function removes it.
  virtual void Listen(std::function<void(const DeviceEvent&)> listener) = 0;

  // Returns true as soon as `done` does: asked at once and after every event, on the caller's
  // thread. False when `deadline` passed first. Any thread, any number at a time.
  virtual bool WaitUntil(const std::function<bool()>& done, MonotonicTime deadline) = 0;

  // Which source feeds this: "udev", or "kernel" when no udevd runs.
  virtual std::string Source() const = 0;
};

// libudev's monitor on a thread of its own. Without systemd-udevd (no /run/udev/control), libudev's
// "udev" group stays silent, so the "kernel" group is used then.
Result<std::unique_ptr<DeviceEvents>> MakeUdevEvents();

}  // namespace drapci::hal
