#include "hal/accel/amdgpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "hal/accel/amdgpu_kfd.h"
#include "hal/accel/amdgpu_modes.h"
#include "hal/accel/amdgpu_settings.h"
#include "hal/accel/dmem.h"
#include "hal/accel/function.h"
#include "hal/accel/pci_accelerator.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr uint16_t kAmd = 0x1002;
constexpr uint32_t kDisplayClass = 0x03, kProcessingClass = 0x12;
constexpr std::string_view kXccs = "xccs";
constexpr std::string_view kMemory = "memory";
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr const char* kMode = "compute_partition";
constexpr const char* kHeld = "compute_partition_held";  // for claims of ours
constexpr const char* kWholeMode = "whole_partition";    // the mode in which the whole is given

// What decides, as it was read a moment ago.
struct Card {
  std::string mode_text;  // as found; empty: it cannot be partitioned
  std::optional<AmdMode> mode;
  std::vector<AmdMode> modes;  // that it can be in now
  int xccs = 1;
  int gfx_target = 0;
  std::string memory_text;  // "NPS1"; empty: not told
  int domains = 0;          // of the memory; 0: not told
  int64_t vram = 0;         // bytes; 0: not told
  bool capped = true;       // partitions of one memory domain get equal portions of it
  std::string no_kfd;       // why there are no partitions to be had
  std::vector<AmdPartition> partitions;
};

class AmdGpu : public PciAccelerator {
 public:
  AmdGpu(Host& host, PciFunction function, AcceleratorPolicy policy, std::string in_host_use)
      : PciAccelerator(host, kAmdDriver, std::move(function), policy, std::move(in_host_use)),
        key_(fmt::format("{} {}", kAmdModeSetting, address().ToString())) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description&) const override {
    return std::vector<Wanted>();
  }
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;

 private:
  const PciAddress& address() const { return function().address; }
  std::string Text(std::string_view file) const {
    const auto text = host().sysfs.Read(fmt::format("{}/{}", address().SysfsPath(), file));
    return text ? std::string(Trim(*text)) : std::string();
  }

  Result<Card> ReadCard(std::string_view driver) const;
  void AddAttributes(const Card& card, std::map<std::string, AttributeValue>& attributes) const;
  void OfferShares(int64_t vram, Detail detail, Part& whole, Description& description) const;
  Part PartitionPart(const Card& card, AmdPlace place, const Part& whole, Detail detail) const;
  Wanted WishMode(std::string value) const;
  Result<std::vector<std::string>> NodesOf(const PartRequest& request) const;

  const std::string key_;
};

// Parts of different modes cannot be had together although there are XCCs for both. A linear stock
// says so: of the room beside partition i of one mode, that partition takes all, and each partition
// of a mode with more of them takes its portion, of which all together fit.
std::string RoomBeside(AmdPlace place) { return fmt::format("room_beside_{}", place.ToString()); }

void AddRooms(const Card& card, AmdPlace place, std::map<std::string, int64_t>& consumes) {
  for (const AmdMode other : card.modes) {
    if (other == AmdMode::kSpx || other == card.modes.back() || other > place.mode) continue;
    if (other == place.mode) {
      consumes.emplace(RoomBeside(place), card.xccs);
      continue;
    }
    const int count = AmdPartitions(other, card.xccs);
    for (int i = 0; i < count; ++i) {
      consumes.emplace(RoomBeside({.mode = other, .index = i}),
                       card.xccs / AmdPartitions(place.mode, card.xccs));
    }
  }
}

Result<Card> AmdGpu::ReadCard(std::string_view driver) const {
  Card card;
  card.vram = ParseInt<int64_t>(Text("mem_info_vram_total")).value_or(0);
  if (driver != kAmdDriver) return card;
  const auto mode = host().sysfs.Read(address().SysfsPath() + "/current_compute_partition");
  card.modes = ParseAmdModes(Text("available_compute_partition"));
  if (!mode && mode.error().code != Code::kGone) return std::unexpected(mode.error());
  card.memory_text = Text("current_memory_partition");
  card.domains = ParseAmdMemoryDomains(card.memory_text);
  card.capped = Text("compute_partition_mem_alloc_mode") != "ALL";
  auto partitions = ReadAmdPartitions(host().sysfs, address());
  if (partitions) {
    card.partitions = *std::move(partitions);
  } else if (partitions.error().code == Code::kNotFound) {
    card.no_kfd = partitions.error().what;
  } else {
    return std::unexpected(std::move(partitions).error());
  }
  int told = 0;
  for (const AmdPartition& partition : card.partitions) {
    told += partition.xccs;
    card.gfx_target = partition.gfx_target;
  }
  if (!mode || card.modes.empty()) {
    card.modes.clear();
    return card;
  }
  card.mode_text = std::string(Trim(*mode));
  card.mode = ParseAmdMode(card.mode_text);
  card.xccs = told != 0 ? told : AmdXccsFrom(card.modes);
  std::erase_if(card.modes, [&](AmdMode each) {
    return AmdPartitions(each, card.xccs) == 0 ||
           (each != card.mode && !AmdModeFits(each, card.domains, card.gfx_target));
  });
  return card;
}

void AmdGpu::AddAttributes(const Card& card,
                           std::map<std::string, AttributeValue>& attributes) const {
  const auto add = [&](std::string name, std::string text) {
    if (!text.empty()) attributes.emplace(std::move(name), std::move(text));
  };
  add("model", Text("product_name"));
  add("unique_id", Text("unique_id"));
  add("memory_partition", card.memory_text);
  if (card.gfx_target != 0) add("gfx_target", AmdTargetName(card.gfx_target));
}

// Many claims compute on the whole at once, and each has some of the memory.
void AmdGpu::OfferShares(int64_t vram, Detail detail, Part& whole, Description& description) const {
  const std::string memory(kMemory);
  const int64_t size = vram / kMiB * kMiB;
  const bool enforced = !DmemRegions(host().sysfs, address()).empty();
  whole.consumes = description.counters = {{memory, size}};
  description.scale.reset();
  whole.capacities.emplace(memory, Capacity{.value = size,
                                            .min = kMiB,
                                            .step = kMiB,
                                            .max = {},
                                            .default_share = std::max(size / 4 / kMiB * kMiB, kMiB),
                                            .enforced = enforced});
  if (enforced && detail == Detail::kFull) {
    whole.attributes.emplace(std::string(kEnforcedBy), std::string(kDmem));
  }
}

Result<Description> AmdGpu::Describe(const std::set<std::string>& ours, Detail detail) const {
  DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
  DRAPCI_TRY(const Card card, ReadCard(std::get<std::string>(description.attributes.at("driver"))));
  description.counters.emplace(kXccs, card.xccs);
  if (card.vram > 0 && card.capped) description.counters.emplace(kMemory, card.vram);
  description.scale = Scale{.unit = std::string(kXccs), .size = card.xccs};
  Part whole = WholePart(kXccs, card.xccs, detail);
  if (card.vram > 0 && card.capped) whole.consumes.emplace(kMemory, card.vram);
  if (detail == Detail::kFull) {
    AddAttributes(card, whole.attributes);
    AddAttributes(card, description.attributes);
    whole.attributes.emplace("xccs", int64_t{card.xccs});
    if (card.vram > 0) whole.attributes.emplace("memory", card.vram);
  }
  const bool shared = policy().shares && card.vram > kMiB;
  if (shared) OfferShares(card.vram, detail, whole, description);
  description.parts.push_back(whole);
  if (card.mode_text.empty()) return description;
  description.attributes.emplace(kMode, card.mode_text);
  description.attributes.emplace(kHeld, ours.contains(key_));
  const bool in_one = std::ranges::find(card.modes, AmdMode::kSpx) != card.modes.end();
  description.attributes.emplace(kWholeMode,
                                 in_one ? std::string(AmdModeName(AmdMode::kSpx)) : card.mode_text);
  if (shared) return description;
  for (const AmdMode mode : card.modes) {
    if (mode == AmdMode::kSpx) continue;  // one partition: that is the whole
    const int count = AmdPartitions(mode, card.xccs);
    for (int index = 0; index < count; ++index) {
      const AmdPlace place{.mode = mode, .index = index};
      if (mode != card.modes.back()) description.counters.emplace(RoomBeside(place), card.xccs);
      description.parts.push_back(PartitionPart(card, place, whole, detail));
    }
  }
  return description;
}

Part AmdGpu::PartitionPart(const Card& card, AmdPlace place, const Part& whole,
                           Detail detail) const {
  const int count = AmdPartitions(place.mode, card.xccs);
  const int size = card.xccs / count;
  // A domain may be that of several partitions; then each is held to an equal portion of it, unless
  // the operator lets all of them have all (amdgpu_amdkfd_xcp_memory_size).
  const int portions = card.capped ? count : std::max(card.domains, 1);
  Part part;
  part.name = place.ToString();
  part.profile = AmdProfile(place.mode);
  part.extent = Extent{.start = place.index * size, .size = size};
  part.consumes.emplace(kXccs, size);
  if (card.vram > 0 && card.capped) part.consumes.emplace(kMemory, card.vram / count);
  AddRooms(card, place, part.consumes);
  part.unusable = card.no_kfd;
  part.no_vfio =
      fmt::format("a partition of {} has no PCI function of its own", address().ToString());
  if (detail != Detail::kFull) return part;
  part.attributes = whole.attributes;
  for (const char* own : {"address", "iommu_group", "xccs", "memory"}) part.attributes.erase(own);
  part.attributes.emplace("gpu", address().ToString());
  part.attributes.emplace("partition", int64_t{place.index});
  part.attributes.emplace(kMode, std::string(AmdModeName(place.mode)));
  part.attributes.emplace("xccs", int64_t{size});
  if (card.vram > 0) part.attributes.emplace("memory", card.vram / portions);
  return part;
}

Wanted AmdGpu::WishMode(std::string value) const {
  return {.setting = std::string(kAmdModeSetting),
          .target = address().ToString(),
          .value = std::move(value),
          .shared = true,
          .initially = {}};
}

Result<std::vector<Wanted>> AmdGpu::Plan(const Description& now, const PartRequest& request) const {
  DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
  if (request.network && *request.network != NetworkRequest()) {
    return Fail(Code::kUnsupported, fmt::format("{} is no network card", address().ToString()));
  }
  if (request.access == Access::kVfio && !request.share.empty()) {
    return Fail(Code::kUnsupported,
                fmt::format("a share of {} cannot be had through VFIO, which gives it whole",
                            address().ToString()));
  }
  std::vector<Wanted> plan;
  // A partition is there only while the card has its kernel driver.
  if (part->name.empty() || request.access == Access::kVfio) {
    DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, address().ToString(), request, ""));
  }
  const auto mode = now.attributes.find(kMode);
  if (mode == now.attributes.end() || request.access == Access::kVfio) return plan;
  const auto place = AmdPlace::Parse(part->name);
  const std::string want = place ? std::string(AmdModeName(place->mode))
                                 : std::get<std::string>(now.attributes.at(kWholeMode));
  const auto& found = std::get<std::string>(mode->second);
  if (std::get<bool>(now.attributes.at(kHeld)) && found != want) {
    return Fail(Code::kConflict,
                fmt::format("{} is in mode {} for other claims, and {} needs {}: claim a part of "
                            "that mode, or unprepare those claims first (see 'drapci claims')",
                            address().ToString(), found,
                            part->name.empty() ? "the whole card" : part->name, want));
  }
  plan.push_back(WishMode(want));
  return plan;
}

// The nodes of the partitions that the request is about, beside those of the function.
Result<std::vector<std::string>> AmdGpu::NodesOf(const PartRequest& request) const {
  const auto place = AmdPlace::Parse(request.part);
  if (!place && !request.part.empty()) {
    return Fail(Code::kNotFound, fmt::format("{} has no part '{}'", name(), request.part));
  }
  auto partitions = ReadAmdPartitions(host().sysfs, address());
  if (!partitions) {
    if (place || partitions.error().code != Code::kNotFound) {
      return std::unexpected(std::move(partitions).error());
    }
    return std::vector<std::string>();  // drawing needs no KFD
  }
  if (place) {
    if (const std::string mode = Text("current_compute_partition");
        mode != AmdModeName(place->mode)) {
      return Fail(Code::kConflict, fmt::format("{} is in mode {} and not in that of {}",
                                               address().ToString(), mode, request.part));
    }
    std::erase_if(*partitions,
                  [&](const AmdPartition& each) { return each.index != place->index; });
    if (partitions->empty()) {
      return Fail(Code::kNotFound,
                  fmt::format("{} is in mode {} and KFD knows no partition {} of it: see the "
                              "kernel's log",
                              address().ToString(), AmdModeName(place->mode), place->index));
    }
  }
  std::vector<std::string> nodes;
  for (const AmdPartition& partition : *partitions) {
    DRAPCI_TRY(std::vector<std::string> more,
               AmdPartitionNodes(host().sysfs, address(), partition));
    std::ranges::move(more, std::back_inserter(nodes));
  }
  if (!nodes.empty()) nodes.emplace_back(kKfdNode);
  std::ranges::sort(nodes);
  return nodes;
}

Result<ContainerEdits> AmdGpu::Edits(const PartRequest& request, MonotonicTime deadline) const {
  if (request.access == Access::kVfio) return EditsOf(address(), request, deadline);
  DRAPCI_TRY(const std::vector<std::string> nodes, NodesOf(request));
  DRAPCI_TRY(ContainerEdits edits, EditsOfNodes(request.part, nodes, deadline));
  if (!request.part.empty()) return edits;
  PartRequest without_network = request;
  without_network.network.reset();
  DRAPCI_TRY(ContainerEdits whole, EditsOf(address(), without_network, deadline));
  std::vector<std::string> all;
  std::ranges::set_union(whole.device_nodes, edits.device_nodes, std::back_inserter(all));
  whole.device_nodes = std::move(all);
  if (const auto memory = request.share.find(std::string(kMemory)); memory != request.share.end()) {
    // Without the controller nobody has been promised that it is enforced.
    if (!DmemRegions(host().sysfs, address()).empty()) {
      DRAPCI_CHECK(LimitMemory(host().sysfs, address(), memory->second, whole));
    }
  }
  return whole;
}

}  // namespace

bool IsAmdGpuFunction(const PciFunction& function) {
  const uint32_t base = function.class_code >> 16;
  // Under AMD's driver for hosts of virtual machines the card is a function with VFs.
  return IsEndpoint(function) && function.vendor == kAmd && function.driver != "gim" &&
         (base == kDisplayClass || base == kProcessingClass);
}

std::unique_ptr<Accelerator> MakeAmdGpuAccelerator(Host& host, PciFunction function,
                                                   AcceleratorPolicy policy,
                                                   std::string in_host_use) {
  return std::make_unique<AmdGpu>(host, std::move(function), policy, std::move(in_host_use));
}

}  // namespace drapci::hal
