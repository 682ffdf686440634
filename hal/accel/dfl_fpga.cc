#include "hal/accel/dfl_fpga.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "hal/accel/dfl_fpga_settings.h"
#include "hal/accel/function.h"
#include "hal/accel/pci_accelerator.h"
#include "hal/accel/pci_settings.h"
#include "hal/fpga/dfl.h"
#include "hal/fpga/image_store.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kCounter = "slots", kSlotProfile = "slot";
constexpr const char* kInterfaceId = "interface_id";

// drivers/fpga/dfl-pci.c cci_pcie_id_tbl, without the VFs. 8086:bcce is on many cards.
constexpr struct {
  uint16_t vendor, device;
} kCards[] = {{0x8086, 0xbcbd}, {0x8086, 0xbcc0}, {0x8086, 0x09c4}, {0x8086, 0x0b30},
              {0x8086, 0x0b2b}, {0x8086, 0xbcce}, {0x1c2c, 0x1000}, {0x1c2c, 0x1001}};

class DflFpgaAccelerator : public PciAccelerator {
 public:
  DflFpgaAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                     std::string in_host_use)
      : PciAccelerator(host, "dfl", std::move(function), policy, std::move(in_host_use)) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override {
    DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
    DRAPCI_TRY(const std::optional<DflCard> card, FindDfl(host().sysfs, address()));
    const auto [count, interface] = LastKnown(card);
    description.counters.emplace(kCounter, count);
    description.scale = Scale{.unit = std::string(kCounter), .size = count};
    if (card) AddCardAttributes(*card, description, detail);
    Part whole = WholePart(kCounter, count, detail);
    if (const auto vfs = CountVfs(host().sysfs, address()); vfs.value_or(0) != 0) {
      whole.unusable = whole.no_vfio =
          fmt::format("somebody else has given {} of its ports to virtual functions", *vfs);
    }
    description.parts.push_back(whole);
    for (int port = 0; port < count; ++port) {
      description.parts.push_back(SlotPart(card, port, interface, whole, detail));
    }
    return description;
  }

  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override {
    DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
    const std::string target = address().ToString();
    std::vector<Wanted> plan;
    if (part->name.empty()) {
      if (request.image) {
        return Fail(Code::kInvalid,
                    fmt::format("{}: an image is for a slot; claim {}-slot0", target, name()));
      }
      DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, target, request, ""));
      return plan;
    }
    if (request.access == Access::kVfio) {
      return Fail(Code::kUnsupported,
                  fmt::format("{}/{} is reached through dfl-pci: for VFIO claim the whole card, {}",
                              target, part->name, name()));
    }
    plan.push_back({.setting = std::string(kDriverSetting),
                    .target = target,
                    .value = std::string(kKernelDriver),
                    .shared = true,
                    .initially = {}});
    if (!request.image) return plan;
    DRAPCI_TRY(plan.emplace_back(), WishImage(now, part->name, *request.image));
    return plan;
  }

  Result<std::vector<Wanted>> Standing(const Description&) const override {
    return std::vector<Wanted>();
  }

  // The engine's node is nobody's but ours: it programs all slots.
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override {
    DRAPCI_TRY(ContainerEdits edits, EditsOf(address(), request, deadline));
    if (request.access == Access::kVfio) return edits;
    DRAPCI_TRY(const std::optional<DflCard> card, FindDfl(host().sysfs, address()));
    if (!card) {
      return Fail(Code::kConflict,
                  fmt::format("dfl-pci drives {} no longer", address().ToString()));
    }
    if (request.part.empty()) {
      std::erase(edits.device_nodes, card->fme_node);
      return edits;
    }
    const auto id = ParseSlotName(request.part);
    const DflPort* port = id ? card->Port(*id) : nullptr;
    if (port == nullptr) {
      return Fail(Code::kNotFound, fmt::format("{} has no part '{}'", name(), request.part));
    }
    edits.device_nodes = {port->node};
    DRAPCI_TRY(const std::optional<std::string> afu, ReadAfuId(host().sysfs, *port));
    if (!afu) return Fail(Code::kIo, InReset(*id));
    const std::string suffix = SuffixOf(edits);
    edits.environment.emplace("DRAPCI_AFU_" + suffix, DashedUuid(*afu));
    edits.environment.emplace("DRAPCI_PORT_" + suffix, port->node);
    return edits;
  }

 private:
  // What the kernel tells of the slots while dfl-pci drives the card, and nobody under VFIO.
  struct Slots {
    int count = 1;
    std::string interface;
  };

  const PciAddress& address() const { return function().address; }

  Slots LastKnown(const std::optional<DflCard>& card) const {
    const std::lock_guard lock(mutex_);
    if (card) slots_ = {.count = std::max(card->ports_num, 1), .interface = card->compat_id};
    return slots_;
  }

  // "PCI_0000_3B_00_0_SLOT0", of the variable that every device has.
  static std::string SuffixOf(const ContainerEdits& edits) {
    constexpr std::string_view kPrefix = "DRAPCI_DEVICE_";
    for (const auto& [key, value] : edits.environment) {
      if (key.starts_with(kPrefix)) return key.substr(kPrefix.size());
    }
    return {};
  }

  std::string InReset(int port) const {
    return fmt::format(
        "port {} is held in reset since a programming has failed: unbind and bind {} (dfl-pci) "
        "when "
        "no slot of it is in use",
        port, address().ToString());
  }

  std::string NoPort(const std::optional<DflCard>& card, int port) const {
    if (!card) return fmt::format("{} is not bound to dfl-pci", address().ToString());
    if (!card->driverless_port) {
      return fmt::format("port {} has been released for a virtual function", port);
    }
    return fmt::format(
        "port {} has been released, and this kernel brings ports back without their driver: unbind "
        "and bind {} (dfl-pci) when no slot of it is in use",
        port, address().ToString());
  }

  static void AddCardAttributes(const DflCard& card, Description& description, Detail detail) {
    auto& attributes = description.attributes;
    attributes.emplace(kInterfaceId, card.compat_id);
    if (detail == Detail::kBrief || card.manager.name.empty()) return;
    attributes.emplace("fpga_manager", card.manager.name);
    attributes.emplace("fpga_manager_state", card.manager.state);
    if (!card.manager.status.empty()) {
      attributes.emplace("fpga_manager_status", card.manager.status);
    }
  }

  Part SlotPart(const std::optional<DflCard>& card, int index, const std::string& interface,
                const Part& whole, Detail detail) const {
    Part part;
    part.name = SlotName(index);
    part.profile = kSlotProfile;
    part.consumes.emplace(kCounter, 1);
    part.extent = Extent{.start = index, .size = 1};
    part.no_vfio = "a slot is reached through dfl-pci";
    if (detail == Detail::kFull) {
      part.attributes = whole.attributes;
      part.attributes.emplace("slot", int64_t{index});
      if (!interface.empty()) part.attributes.emplace(kInterfaceId, DashedUuid(interface));
    }
    const DflPort* port = card ? card->Port(index) : nullptr;
    if (port == nullptr) {
      part.unusable = NoPort(card, index);
      return part;
    }
    const auto afu = ReadAfuId(host().sysfs, *port);
    if (!afu) {
      part.unusable = afu.error().what;
    } else if (!*afu) {
      part.unusable = InReset(index);
    }
    if (detail == Detail::kFull) AddSlotAttributes(*card, afu ? *afu : std::nullopt, part);
    return part;
  }

  void AddSlotAttributes(const DflCard& card, const std::optional<std::string>& afu,
                         Part& part) const {
    if (!afu) return;
    part.attributes.emplace("afu_id", DashedUuid(*afu));
    if (host().images == nullptr) return;
    for (const Image& image : host().images->FindAfu(*afu)) {
      if (image.header.interface_uuid != card.compat_id) continue;
      part.attributes.emplace("image", image.name);
      return;
    }
  }

  // Everything that can be known to be wrong with an image is refused here, before anything
  // changes.
  Result<Wanted> WishImage(const Description& now, const std::string& slot,
                           const ImageRequest& wish) const {
    const std::string target = fmt::format("{}/{}", address().ToString(), slot);
    if (host().images == nullptr) {
      return Fail(Code::kUnsupported, fmt::format("{}: there is no store of images", target));
    }
    DRAPCI_TRY(const Image image, host().images->Find(wish.name));
    if (!wish.digest.empty() && wish.digest != image.digest) {
      return Fail(Code::kConflict, fmt::format("image {} has the SHA-256 {}, and {} is asked for",
                                               image.name, image.digest, wish.digest));
    }
    const auto attribute = now.attributes.find(kInterfaceId);
    const std::string* interface =
        attribute != now.attributes.end() ? std::get_if<std::string>(&attribute->second) : nullptr;
    if (interface == nullptr || *interface != image.header.interface_uuid) {
      const bool known = interface != nullptr && !interface->empty();
      return Fail(Code::kUnsupported,
                  fmt::format("image {} is made for interface {}, and {} has {}", image.name,
                              DashedUuid(image.header.interface_uuid), target,
                              known ? DashedUuid(*interface) : "none that the kernel tells"));
    }
    for (const Image& other : host().images->FindAfu(image.header.afu_uuid)) {
      if (other.header.interface_uuid != image.header.interface_uuid ||
          other.digest == image.digest) {
        continue;
      }
      return Fail(
          Code::kConflict,
          fmt::format("images {} and {} have the same AFU id {}, so a slot cannot tell which "
                      "one it has: remove one of them",
                      image.name, other.name, DashedUuid(image.header.afu_uuid)));
    }
    const SlotImage value{.afu = image.header.afu_uuid,
                          .image = ImageRequest{.name = image.name, .digest = image.digest}};
    return Wanted{.setting = std::string(kSlotImageSetting),
                  .target = target,
                  .value = value.ToString(),
                  .shared = false,
                  .initially = {}};
  }

  mutable std::mutex mutex_;
  mutable Slots slots_;
};

}  // namespace

bool IsDflFpga(const PciFunction& function) {
  return IsEndpoint(function) && std::ranges::any_of(kCards, [&](const auto& card) {
           return card.vendor == function.vendor && card.device == function.device;
         });
}

std::unique_ptr<Accelerator> MakeDflFpgaAccelerator(Host& host, PciFunction function,
                                                    AcceleratorPolicy policy,
                                                    std::string in_host_use) {
  return std::make_unique<DflFpgaAccelerator>(host, std::move(function), policy,
                                              std::move(in_host_use));
}

}  // namespace drapci::hal
