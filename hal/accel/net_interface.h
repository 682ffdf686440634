// Where the network interface of a PCI function, or of a sub-function of one, is: at home, which is
// drapci's own network namespace, or away in another one; and bringing it home.
//
// Any thread. Waits by event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/unique_fd.h"
#include "hal/net/link.h"
#include "hal/os/host.h"
#include "hal/pci/device_place.h"

namespace drapci::hal {

struct HomeInterface {
  std::string name;
  int index = 0;
  int64_t mtu = 0;
};

// The function's interface, by /sys: three small reads. Of several it is the first that is none of
// a switch's ports for other functions (phys_port_name "pf0vf3"). Nothing when it has none here.
Result<std::optional<HomeInterface>> FindAtHome(const Sysfs& sysfs, const DevicePlace& place);

// Whether it is a port through which the card's switch reaches another function: "pf0vf3",
// "c1pf0", "pf0sf88" (phys_port_name).
bool IsRepresentor(const Sysfs& sysfs, const std::string& interface);

// Whether a driver is bound that makes network interfaces; never a vfio driver.
Result<bool> MayHaveInterface(const Sysfs& sysfs, const DevicePlace& place);

struct AwayInterface {
  UniqueFd name_space;  // keeps the namespace alive
  Link link;
};

// Looks into every other network namespace, by IFLA_PARENT_DEV_NAME; a namespace that cannot be
// entered is passed over. Costs a look at every process.
Result<std::optional<AwayInterface>> FindAway(Host& host, const DevicePlace& place);

// The interface, as soon as it is at home: what a driver makes and what a dying namespace gives
// back comes late. kTimeout.
Result<HomeInterface> WaitAtHome(Host& host, const DevicePlace& place, MonotonicTime deadline);

// Moves the function's interface to drapci's own namespace as `name`; or, where that name is taken
// there, under another one. Returns when it is there. From a namespace that has just ended the
// kernel itself brings it, after a while. kGone when no driver makes an interface for the function.
Result<HomeInterface> BringHome(Host& host, const DevicePlace& place, std::string_view name,
                                MonotonicTime deadline);

// Gives it another name, also while it is up. kConflict, naming both, when another interface has
// that name.
Result<> Rename(Host& host, const HomeInterface& now, std::string_view name);

}  // namespace drapci::hal
