// Snapshots of nodes, as the driver would make them.
#pragma once

#include <string>
#include <string_view>

#include "driver/inventory.h"
#include "plugin/slices/model.h"

namespace drapci::plugin::slices {

// "pci-0000-BB-00-0", a network card without parts at bus `bus`.
driver::AcceleratorView PlainCard(int bus);

// A network card whose PF makes `vfs` VFs when they are claimed.
driver::AcceleratorView SriovCard(int bus, int vfs);

// The same, offered in shares of its VFs and its 10 Gbit/s.
driver::AcceleratorView SharedCard(int bus, int vfs);

// The VFs that the card keeps are there: their addresses and drivers are known.
void MakeVfs(driver::AcceleratorView& card);

// As the driver shows it while `part` ("" the whole) is held and bound to `driver`.
void Hold(driver::AcceleratorView& card, std::string_view part);
void Release(driver::AcceleratorView& card);

driver::Device& DeviceOf(driver::AcceleratorView& card, std::string_view part);

// The device of that name in any slice of the pool; null without one.
const SliceDevice* FindDevice(const std::vector<Pool>& pools, std::string_view name);

}  // namespace drapci::plugin::slices
