#include "hal/pci/block_use.h"

#include <fmt/format.h>

#include "hal/pci/topology.h"

namespace drapci::hal {
namespace {

constexpr int kMaxLayers = 16;  // dm on md on dm ...: far fewer in practice

void AddLinks(const Sysfs& sysfs, const std::string& dir, int layer,
              std::set<PciAddress>& functions);

void AddDevice(const Sysfs& sysfs, std::string_view device, int layer,
               std::set<PciAddress>& functions) {
  if (layer > kMaxLayers) return;
  if (const auto function = FunctionOfPath(device)) {
    functions.insert(*function);
    return;
  }
  // A partition has its disk's slaves.
  const std::string self(device), parent(device.substr(0, device.rfind('/')));
  AddLinks(sysfs, self + "/slaves", layer, functions);
  AddLinks(sysfs, parent + "/slaves", layer, functions);
  constexpr std::string_view kSubsystem = "/nvme-subsystem/";
  if (const size_t at = device.find(kSubsystem); at != std::string_view::npos) {
    const size_t end = device.find('/', at + kSubsystem.size());
    AddLinks(sysfs, std::string(device.substr(0, end)), layer, functions);
  }
}

// Follows every link of `dir` that leads to a device; others (subsystem, ...) lead to no function.
void AddLinks(const Sysfs& sysfs, const std::string& dir, int layer,
              std::set<PciAddress>& functions) {
  const Result<std::vector<std::string>> names = sysfs.List(dir);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string link = fmt::format("{}/{}", dir, name);
    if (name == "subsystem" || !sysfs.ReadLink(link)) continue;
    const Result<std::string> target = sysfs.Resolve(link);
    if (target) AddDevice(sysfs, *target, layer + 1, functions);
  }
}

}  // namespace

std::set<PciAddress> FunctionsOfBlockDevice(const Sysfs& sysfs, std::string_view device) {
  std::set<PciAddress> functions;
  AddDevice(sysfs, device, 0, functions);
  return functions;
}

}  // namespace drapci::hal
