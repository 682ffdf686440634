#include "test/unit/slices/node.h"

#include <fmt/format.h>

#include <algorithm>

namespace drapci::plugin::slices {
namespace {

driver::AcceleratorView Card(int bus) {
  driver::AcceleratorView card;
  card.function.address = {.domain = 0, .bus = static_cast<uint8_t>(bus)};
  card.name = fmt::format("pci-0000-{:02x}-00-0", bus);
  card.function.vendor = 0x8086;
  card.function.device = 0x10c9;
  card.function.class_code = 0x020000;
  card.function.vendor_name = "Intel Corporation";
  card.function.device_name = "82576 Gigabit Network Connection";
  card.function.driver = card.home_driver = "igb";
  card.function.numa_node = 1;
  card.function.iommu_group = 17;
  card.function.pcie_root = "pci0000:00";
  card.description.attributes = {{"address", card.function.address.ToString()},
                                 {"driver", std::string("igb")},
                                 {"link_speed", int64_t{2500}},
                                 {"link_width", int64_t{4}}};
  return card;
}

void AddPart(driver::AcceleratorView& card, hal::Part part) {
  card.description.parts.push_back(part);
  if (part.stands_for_share) return;
  driver::Device device;
  device.name = driver::DeviceName(card.name, part.name);
  device.part = std::move(part);
  card.devices.push_back(std::move(device));
}

hal::Part Vf(const driver::AcceleratorView& card, int index) {
  hal::Part part;
  part.name = fmt::format("vf{}", index);
  part.profile = "vf";
  part.consumes = {{"vfs", 1}};
  part.attributes = {{"pf", card.function.address.ToString()},
                     {"vf", int64_t{index}},
                     {"device", std::string("0x10ca")}};
  return part;
}

driver::AcceleratorView CardWithVfs(int bus, int vfs) {
  driver::AcceleratorView card = Card(bus);
  card.family = "sriov";
  card.function.sriov_total = vfs;
  card.description.counters = {{"vfs", vfs}};
  card.description.attributes.emplace("vfs_total", int64_t{vfs});
  card.description.attributes.emplace("vfs_now", int64_t{0});
  return card;
}

}  // namespace

driver::AcceleratorView PlainCard(int bus) {
  driver::AcceleratorView card = Card(bus);
  card.family = "function";
  card.description.counters = {{"functions", 1}};
  hal::Part whole;
  whole.profile = "function";
  whole.consumes = {{"functions", 1}};
  AddPart(card, std::move(whole));
  return card;
}

driver::AcceleratorView SriovCard(int bus, int vfs) {
  driver::AcceleratorView card = CardWithVfs(bus, vfs);
  hal::Part whole;
  whole.profile = "function";
  whole.consumes = {{"vfs", vfs}};
  AddPart(card, std::move(whole));
  for (int index = 0; index < vfs; ++index) AddPart(card, Vf(card, index));
  return card;
}

driver::AcceleratorView SharedCard(int bus, int vfs) {
  driver::AcceleratorView card = CardWithVfs(bus, vfs);
  card.policy.shares = true;
  hal::Part shared;
  shared.profile = "share";
  shared.capacities = {{"vfs", {.value = vfs, .min = 1, .step = 1, .max = 1, .default_share = 1}},
                       {"bandwidth",
                        {.value = 10'000'000'000,
                         .min = 1'000'000,
                         .step = 1'000'000,
                         .default_share = 500'000'000}}};
  for (int index = 0; index < vfs; ++index)
    shared.share_parts.push_back(fmt::format("vf{}", index));
  AddPart(card, std::move(shared));
  for (int index = 0; index < vfs; ++index) {
    hal::Part part = Vf(card, index);
    part.stands_for_share = true;
    AddPart(card, std::move(part));
  }
  return card;
}

void MakeVfs(driver::AcceleratorView& card) {
  for (driver::Device& device : card.devices) {
    if (device.part.name.empty()) continue;
    const int64_t index = std::get<int64_t>(device.part.attributes.at("vf"));
    device.part.attributes["address"] =
        fmt::format("0000:{:02x}:10.{}", card.function.address.bus, index);
    device.part.attributes["driver"] = std::string("igbvf");
  }
  card.description.attributes["vfs_now"] = static_cast<int64_t>(card.devices.size()) - 1;
}

void Hold(driver::AcceleratorView& card, std::string_view part) {
  DeviceOf(card, part).held_by = "claim-1";
  if (!part.empty()) {
    MakeVfs(card);
    DeviceOf(card, "").excluded = "a VF is held by claim-1";
    DeviceOf(card, "").part.no_vfio = "has virtual functions";
    return;
  }
  // Through VFIO: the PF has lost its driver, and no VF can be made.
  card.function.driver = "vfio-pci";
  card.description.attributes["driver"] = std::string("vfio-pci");
  for (driver::Device& device : card.devices) {
    if (device.part.name.empty()) continue;
    device.excluded = "the whole is held by claim-1";
    device.part.unusable = device.unusable = "the PF has vfio-pci";
  }
}

void Release(driver::AcceleratorView& card) {
  const int bus = card.function.address.bus;
  card = card.family == "sriov" ? SriovCard(bus, static_cast<int>(card.devices.size()) - 1)
                                : PlainCard(bus);
}

driver::Device& DeviceOf(driver::AcceleratorView& card, std::string_view part) {
  return *std::ranges::find(card.devices, part,
                            [](const driver::Device& device) { return device.part.name; });
}

const SliceDevice* FindDevice(const std::vector<Pool>& pools, std::string_view name) {
  for (const Pool& pool : pools) {
    for (const SliceContent& slice : pool.slices) {
      const auto found = std::ranges::find(slice.devices, name, &SliceDevice::name);
      if (found != slice.devices.end()) return &*found;
    }
  }
  return nullptr;
}

}  // namespace drapci::plugin::slices
