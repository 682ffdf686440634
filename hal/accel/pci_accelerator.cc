#include "hal/accel/pci_accelerator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "hal/accel/match.h"
#include "hal/accel/net_interface.h"
#include "hal/accel/net_settings.h"
#include "hal/accel/pci_settings.h"
#include "hal/accel/rdma_edits.h"
#include "hal/base/parse.h"
#include "hal/fpga/manager.h"
#include "hal/os/path.h"
#include "hal/pci/device_nodes.h"
#include "hal/pci/vfio.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kVfioDriver = "vfio-pci";

// Drivers that keep a function for a user of their own.
bool IsReserving(std::string_view driver) {
  constexpr std::string_view kNames[] = {"pci-stub", "pciback", "xen-pciback", "uio_pci_generic",
                                         "igb_uio"};
  return IsVfioDriver(driver) || std::ranges::find(kNames, driver) != std::end(kNames);
}

// Mega-transfers a second, by the speed code of the link registers; 0 for an unknown code.
int64_t LinkSpeed(uint8_t code) {
  constexpr int64_t kSpeeds[] = {0, 2500, 5000, 8000, 16000, 32000, 64000};
  return code < std::size(kSpeeds) ? kSpeeds[code] : 0;
}

std::map<std::string, AttributeValue> Attributes(const PciFunction& function) {
  std::map<std::string, AttributeValue> attributes{
      {"address", function.address.ToString()},
      {"vendor", fmt::format("0x{:04x}", function.vendor)},
      {"device", fmt::format("0x{:04x}", function.device)},
      {"class", fmt::format("0x{:06x}", function.class_code)},
      {"numa_node", int64_t{function.numa_node}},
      {"pcie_root", function.pcie_root}};
  if (function.iommu_group) attributes.emplace("iommu_group", int64_t{*function.iommu_group});
  if (function.pcie && function.pcie->max_width != 0) {
    attributes.emplace("link_speed", LinkSpeed(function.pcie->max_speed));
    attributes.emplace("link_width", int64_t{function.pcie->max_width});
  }
  return attributes;
}

// "PCI_0000_02_00_0_VF3"
std::string EnvironmentSuffix(std::string_view accelerator, std::string_view part) {
  std::string text(accelerator);
  if (!part.empty()) text += fmt::format("-{}", part);
  std::ranges::transform(text, text.begin(), [](char c) {
    if (c == '-') return '_';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

// Waits until all of the nodes that `find` tells are in /dev.
Result<std::vector<std::string>> WaitForNodes(
    Host& host, const DevicePlace& place,
    const std::function<Result<std::vector<std::string>>()>& find, MonotonicTime deadline) {
  Result<std::vector<std::string>> nodes;
  std::vector<std::string> missing;
  const bool there = host.events.WaitUntil(
      [&] {
        missing.clear();
        nodes = find();
        if (!nodes) return true;
        std::ranges::copy_if(*nodes, std::back_inserter(missing), [&](const std::string& node) {
          return !host.dev.Stat(node).has_value();
        });
        return missing.empty();
      },
      deadline);
  if (!nodes || there) return nodes;
  return Fail(Code::kTimeout, fmt::format("device nodes {} of {} did not appear in time",
                                          fmt::join(missing, ", "), place.ToString()));
}

}  // namespace

PciAccelerator::PciAccelerator(Host& host, std::string_view family, PciFunction function,
                               AcceleratorPolicy policy, std::string in_host_use)
    : host_(host),
      name_(AcceleratorName(function.address)),
      family_(family),
      function_(std::move(function)),
      policy_(policy),
      in_host_use_(std::move(in_host_use)) {}

Result<Description> PciAccelerator::DescribeFunction(const std::set<std::string>& ours,
                                                     Detail detail) const {
  DRAPCI_TRY(const DriverBinding now, ReadBinding(host_.sysfs, function_.address));
  Description description;
  if (detail == Detail::kFull) {
    description.attributes = Attributes(function_);
    // Where the driver of an FPGA, whoever's it is, has a manager.
    const FpgaManager manager = ReadFpgaManager(host_.sysfs, function_.address.SysfsPath());
    if (!manager.name.empty()) {
      description.attributes.emplace("fpga_manager", manager.name);
      description.attributes.emplace("fpga_manager_state", manager.state);
    }
  }
  description.attributes.emplace("driver", now.driver);
  if (!in_host_use_.empty()) {
    description.unusable = fmt::format("it is in use: {}", in_host_use_);
  } else if (!policy_.enabled) {
    description.unusable = "the configuration keeps drapci off it (enabled: false)";
  }
  const bool handed_over = policy_.vfs == AcceleratorPolicy::Vfs::kExisting;
  const std::string key = fmt::format("{} {}", kDriverSetting, function_.address.ToString());
  if (!handed_over && IsReserving(now.driver) && !ours.contains(key)) {
    description.foreign = fmt::format(
        "somebody else has bound it to {}; set vfs: existing for it to hand it over", now.driver);
  }
  return description;
}

Part PciAccelerator::WholePart(std::string_view counter, int64_t amount, Detail detail) const {
  Part part;
  part.profile = kWholeProfile;
  part.consumes.emplace(counter, amount);
  if (detail == Detail::kFull) part.attributes = Attributes(function_);
  if (const Result<> group = CheckVfioGroup(host_.sysfs, function_.address); !group) {
    part.no_vfio = group.error().what;
  }
  return part;
}

Result<Wanted> PciAccelerator::WishDriver(const Part& part, std::string target,
                                          const PartRequest& request, std::string initially) const {
  if (request.image) {
    return Fail(Code::kInvalid, fmt::format("{} has no slot for an image", target));
  }
  std::string value(kKernelDriver);
  if (request.access == Access::kVfio) {
    const auto& network = request.network;
    if (network && (!network->interface.empty() || !network->addresses.empty() || network->mtu)) {
      return Fail(
          Code::kInvalid,
          fmt::format(
              "{} goes to user space through VFIO: it has no network interface that could be "
              "named or addressed",
              target));
    }
    if (!part.no_vfio.empty()) return Fail(Code::kUnsupported, part.no_vfio);
    value = FormatBinding(
        {.driver = std::string(kVfioDriver), .driver_override = std::string(kVfioDriver)});
  }
  return Wanted{.setting = std::string(kDriverSetting),
                .target = std::move(target),
                .value = std::move(value),
                .shared = part.name.empty(),
                .initially = std::move(initially)};
}

Result<ContainerEdits> PciAccelerator::EditsOf(const PciAddress& address,
                                               const PartRequest& request,
                                               MonotonicTime deadline) const {
  DRAPCI_TRY(const DriverBinding now, ReadBinding(host_.sysfs, address));
  if (now.driver.empty()) {
    return Fail(Code::kConflict, fmt::format("no driver is bound to {}", address.ToString()));
  }
  if (IsVfioDriver(now.driver) != (request.access == Access::kVfio)) {
    return Fail(Code::kConflict, fmt::format("{} is bound to {}, which is not the access asked for",
                                             address.ToString(), now.driver));
  }
  if (request.access == Access::kKernel) {
    return KernelEditsOf(address, address.ToString(), request, deadline);
  }
  ContainerEdits edits;
  edits.address = address.ToString();
  edits.environment.emplace(Variable("DEVICE", request.part), address.ToString());
  DRAPCI_TRY(edits.device_nodes, VfioNodes(host_, address, deadline));
  for (const std::string& node : edits.device_nodes) {
    if (node == "/dev/vfio/vfio" || node == "/dev/iommu") continue;
    edits.environment.emplace(Variable("VFIO", request.part), BaseName(node));
  }
  return edits;
}

Result<ContainerEdits> PciAccelerator::KernelEditsOf(const DevicePlace& place,
                                                     std::string_view name,
                                                     const PartRequest& request,
                                                     MonotonicTime deadline) const {
  ContainerEdits edits;
  edits.address = place.function.ToString();
  edits.environment.emplace(Variable("DEVICE", request.part), name);
  DRAPCI_TRY(const std::string path, place.Path(host_.sysfs));
  DRAPCI_TRY(edits.device_nodes,
             WaitForNodes(host_, place, [&] { return DeviceNodes(host_.sysfs, place); }, deadline));
  AddRdma(host_, path, Variable("RDMA", request.part), edits);
  DRAPCI_TRY(edits.interfaces, InterfacesOf(place, request, deadline));
  std::vector<std::string> names;
  for (const ContainerInterface& each : edits.interfaces) names.push_back(each.name);
  if (request.network && request.network->stay) edits.interfaces.clear();
  if (!names.empty()) {
    edits.environment.emplace(Variable("NETDEV", request.part),
                              fmt::format("{}", fmt::join(names, ",")));
  }
  return edits;
}

std::string PciAccelerator::Variable(std::string_view what, std::string_view part) const {
  return fmt::format("DRAPCI_{}_{}", what, EnvironmentSuffix(name_, part));
}

Result<ContainerEdits> PciAccelerator::EditsOfNodes(std::string_view part,
                                                    std::vector<std::string> nodes,
                                                    MonotonicTime deadline) const {
  ContainerEdits edits;
  edits.address = function_.address.ToString();
  edits.environment.emplace(Variable("DEVICE", part), edits.address);
  DRAPCI_TRY(edits.device_nodes,
             WaitForNodes(
                 host_, function_.address, [&] { return Result<std::vector<std::string>>(nodes); },
                 deadline));
  return edits;
}

Result<std::vector<ContainerInterface>> PciAccelerator::InterfacesOf(const DevicePlace& place,
                                                                     const PartRequest& request,
                                                                     MonotonicTime deadline) const {
  Result<std::vector<std::string>> names = NetworkInterfaces(host_.sysfs, place);
  // Some drivers register their interface a while after they are bound (iavf); who asks for nothing
  // of it does not wait.
  if (request.network && !request.network->stay) {
    host_.events.WaitUntil(
        [&] {
          names = NetworkInterfaces(host_.sysfs, place);
          return !names || !names->empty();
        },
        deadline);
  }
  if (!names) return std::unexpected(std::move(names).error());
  // Those are the host's way to others.
  std::erase_if(*names, [&](const std::string& name) { return IsRepresentor(host_.sysfs, name); });
  std::vector<ContainerInterface> interfaces;
  DRAPCI_TRY(const std::string path, place.Path(host_.sysfs));
  for (const std::string& name : *names) {
    const auto mac = host_.sysfs.Read(fmt::format("{}/net/{}/address", path, name));
    interfaces.push_back({.address = place.ToString(),
                          .host_name = name,
                          .mac = mac ? std::string(Trim(*mac)) : std::string(),
                          .name = name,
                          .mtu = {},
                          .addresses = {}});
  }
  if (!request.network) return interfaces;
  const NetworkRequest& network = *request.network;
  if (interfaces.empty()) {
    if (network.interface.empty() && network.addresses.empty() && !network.mtu) return interfaces;
    return Fail(Code::kUnsupported, fmt::format("{} has no network interface that could be named "
                                                "or addressed",
                                                place.ToString()));
  }
  // A function with several ports keeps their names but for the first.
  ContainerInterface& first = interfaces.front();
  if (!network.interface.empty() && !network.stay) first.name = network.interface;
  first.mtu = network.mtu;
  first.addresses = network.addresses;
  return interfaces;
}

std::optional<Wanted> PciAccelerator::WishInterface(std::string target,
                                                    const PartRequest& request) const {
  const bool network_card = function_.class_code >> 16 == kNetworkClass;
  if (!network_card || request.access != Access::kKernel) return std::nullopt;
  InterfaceState wish;
  if (request.network) wish.mtu = request.network->mtu;
  return Wanted{.setting = std::string(kInterfaceSetting),
                .target = std::move(target),
                .value = wish.mtu ? wish.ToString() : std::string(kAnyInterface),
                .shared = false,
                .initially = std::string(kNoInterface)};
}

Result<const Part*> FindPart(const Description& now, std::string_view accelerator,
                             std::string_view name) {
  const auto found = std::ranges::find(now.parts, name, &Part::name);
  if (found != now.parts.end()) return &*found;
  return Fail(Code::kNotFound, fmt::format("{} has no part '{}' now", accelerator, name));
}

}  // namespace drapci::hal
