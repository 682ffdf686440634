#include "hal/accel/nvidia.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>

#include "hal/accel/function.h"
#include "hal/accel/mig_placement.h"
#include "hal/accel/nvidia_nodes.h"
#include "hal/accel/nvidia_settings.h"
#include "hal/accel/pci_accelerator.h"

namespace drapci::hal {
namespace {

constexpr uint16_t kNvidia = 0x10de;
constexpr uint32_t kDisplayClass = 0x03;
constexpr std::string_view kPlainCounter = "functions";  // where nothing is counted
constexpr const char* kMemory = "memory";                // capacity, counter and attribute
constexpr const char* kMode = "mig_mode";
constexpr int64_t kMiB = int64_t{1} << 20;

// What never changes about a GPU, as far as the library has told it.
struct Facts {
  std::string name, uuid;
  int64_t memory = 0;
  MigLayout layout;  // no slots: it cannot be cut up
};

// What decides, as it was read a moment ago.
struct Card {
  std::optional<MigMode> mode;  // empty: no MIG, or the driver is away
  std::vector<GpuInstance> instances;
  std::string trouble;  // not empty: why the GPU cannot be asked
};

class NvidiaGpu : public PciAccelerator {
 public:
  NvidiaGpu(Host& host, PciFunction function, AcceleratorPolicy policy, std::string in_host_use)
      : PciAccelerator(host, kNvidiaDriver, std::move(function), std::move(policy),
                       std::move(in_host_use)) {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override;
  Result<std::vector<Wanted>> Plan(const Description& now,
                                   const PartRequest& request) const override;
  Result<std::vector<Wanted>> Standing(const Description&) const override {
    return std::vector<Wanted>();
  }
  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override;

 private:
  const PciAddress& gpu() const { return function().address; }
  std::string KeyOf(std::string_view setting, std::string_view part) const {
    return fmt::format("{} {}{}{}", setting, gpu().ToString(), part.empty() ? "" : "/", part);
  }
  Facts Known() const {
    const std::lock_guard lock(mutex_);
    return facts_;
  }

  Card ReadCard(std::string_view driver) const;
  Part Whole(const Facts& facts, Detail detail) const;
  Part Partition(const MigSlot& slot, const Facts& facts, const Part& whole, Detail detail) const;
  void FindForeign(const std::set<std::string>& ours, const Card& card, const MigLayout& layout,
                   Description& now) const;
  Wanted Wish(std::string_view setting, std::string_view part, std::string value,
              std::string_view initially) const;
  Result<std::vector<std::string>> InstanceNodes(const MigSlot& slot, unsigned minor,
                                                 std::string& uuid) const;

  // Kept for when the driver is away: what is held must still be counted then.
  mutable std::mutex mutex_;
  mutable Facts facts_;
};

Card NvidiaGpu::ReadCard(std::string_view driver) const {
  Card card;
  Nvml* nvml = host().nvml;
  if (nvml == nullptr || driver != kNvidiaDriver) return card;
  const auto info = nvml->Gpu(gpu());
  if (!info) {
    // A library that is missing, or does not know the GPU, is no trouble of the GPU's.
    const Code code = info.error().code;
    if (code != Code::kUnsupported && code != Code::kNotFound) card.trouble = info.error().what;
    return card;
  }
  Facts facts{.name = info->name, .uuid = info->uuid, .memory = info->memory_bytes, .layout = {}};
  if (const auto mode = nvml->GetMigMode(gpu())) {
    card.mode = *mode;
    if (const auto profiles = nvml->GpuInstanceProfiles(gpu())) {
      facts.layout = LayOutMig(*profiles);
    } else if (profiles.error().code == Code::kUnsupported && !mode->current) {
      facts.layout = Known().layout;  // old drivers tell it while the mode is on
    } else {
      card.trouble = profiles.error().what;
    }
  } else if (mode.error().code != Code::kUnsupported) {
    card.trouble = mode.error().what;
  }
  if (card.mode && card.mode->current && card.trouble.empty()) {
    auto instances = nvml->GpuInstances(gpu());
    if (instances) {
      card.instances = *std::move(instances);
    } else {
      card.trouble = instances.error().what;
    }
  }
  const std::lock_guard lock(mutex_);
  if (card.trouble.empty()) facts_ = std::move(facts);
  return card;
}

Part NvidiaGpu::Whole(const Facts& facts, Detail detail) const {
  Part whole = WholePart(kPlainCounter, 1, detail);
  if (policy().shares && facts.memory > kMiB) {
    const int64_t memory = facts.memory / kMiB * kMiB;
    whole.consumes = {{kMemory, memory}};
    whole.capacities.emplace(kMemory, Capacity{.value = memory,
                                               .min = kMiB,
                                               .step = kMiB,
                                               .max = {},
                                               .default_share = memory / 4 / kMiB * kMiB,
                                               .enforced = false});
    if (whole.capacities.at(kMemory).default_share == 0) {
      whole.capacities.at(kMemory).default_share = kMiB;
    }
  } else if (!policy().shares && !facts.layout.slots.empty()) {
    whole.consumes = facts.layout.stock;
  }
  if (detail == Detail::kFull && facts.memory > 0) {
    whole.attributes.emplace("model", facts.name);
    whole.attributes.emplace("uuid", facts.uuid);
    whole.attributes.emplace(kMemory, facts.memory);
  }
  return whole;
}

Part NvidiaGpu::Partition(const MigSlot& slot, const Facts& facts, const Part& whole,
                          Detail detail) const {
  Part part;
  part.name = slot.part;
  part.profile = slot.profile;
  part.consumes = slot.consumes;
  part.extent = Extent{.start = static_cast<int>(slot.place.start),
                       .size = static_cast<int>(slot.place.size)};
  part.no_vfio = fmt::format("a partition of {} has no PCI function of its own", gpu().ToString());
  if (detail != Detail::kFull) return part;
  part.attributes = whole.attributes;
  for (const char* own : {"address", "iommu_group", "uuid", kMemory}) part.attributes.erase(own);
  part.attributes.emplace("gpu", gpu().ToString());
  part.attributes.emplace("gpu_uuid", facts.uuid);
  part.attributes.emplace(kMemory, slot.memory_bytes);
  part.attributes.emplace("memory_slices", int64_t{slot.place.size});
  for (const auto& [counter, amount] : slot.consumes) {
    if (counter.starts_with("memory-slice-") || counter == slot.label) continue;
    part.attributes.emplace(counter, amount);
  }
  part.attributes.emplace("multiprocessors", int64_t{slot.multiprocessors});
  return part;
}

// What somebody else has made is left alone: nothing is given that overlaps it, and its portion of
// the rest is not ours to give.
void NvidiaGpu::FindForeign(const std::set<std::string>& ours, const Card& card,
                            const MigLayout& layout, Description& now) const {
  for (const GpuInstance& instance : card.instances) {
    const MigSlot* slot = FindSlot(layout, instance.profile_id, instance.placement);
    if (slot != nullptr && ours.contains(KeyOf(kGpuInstanceSetting, slot->part))) continue;
    const std::string reason = fmt::format(
        "somebody else has made a GPU instance {} at memory slice {}; nvidia-smi mig -dgi removes "
        "it",
        slot != nullptr ? slot->profile : fmt::format("of profile {}", instance.profile_id),
        instance.placement.start);
    for (Part& part : now.parts) {
      const MigSlot* own = FindSlot(layout, part.name);
      const bool meets = own == nullptr || Overlap(own->place, instance.placement);
      if (meets && part.unusable.empty()) part.unusable = reason;
    }
    if (slot == nullptr) continue;
    for (const auto& [counter, amount] : slot->consumes) {
      int64_t& stock = now.counters[counter];
      stock = std::max<int64_t>(stock - amount, 0);
    }
  }
  if (card.instances.empty()) return;
  for (Part& part : now.parts) {
    for (const auto& [counter, amount] : part.consumes) {
      if (amount <= now.counters.at(counter) || !part.unusable.empty()) continue;
      part.unusable = fmt::format("what somebody else has made leaves {} of its {} {}",
                                  now.counters.at(counter), amount, counter);
    }
    // It is for its reason that it is refused, and not for want of what it would take.
    if (!part.unusable.empty()) part.consumes.clear();
  }
}

Result<Description> NvidiaGpu::Describe(const std::set<std::string>& ours, Detail detail) const {
  DRAPCI_TRY(Description now, DescribeFunction(ours, detail));
  const Card card = ReadCard(std::get<std::string>(now.attributes.at("driver")));
  const Facts facts = Known();
  if (now.unusable.empty()) now.unusable = card.trouble;
  const Part whole = Whole(facts, detail);
  now.counters = whole.consumes;
  if (detail == Detail::kFull && facts.memory > 0) {
    now.attributes.emplace("model", facts.name);
    now.attributes.emplace(kMemory, facts.memory);
  }
  if (card.mode) {
    now.attributes.emplace(kMode, std::string(card.mode->current ? kMigEnabled : kMigDisabled));
    if (card.mode->pending != card.mode->current && now.foreign.empty() &&
        !ours.contains(KeyOf(kMigModeSetting, ""))) {
      now.foreign = fmt::format(
          "somebody else has switched its MIG mode {}, which waits for a reset: reset it "
          "(nvidia-smi -r) or take that back",
          card.mode->pending ? "on" : "off");
    }
  }
  now.parts.push_back(whole);
  if (!policy().shares && !facts.layout.slots.empty()) {
    now.counters = facts.layout.stock;
    now.scale =
        Scale{.unit = "memory slices", .size = static_cast<int>(facts.layout.memory_slices)};
    for (const MigSlot& slot : facts.layout.slots) {
      Part& part = now.parts.emplace_back(Partition(slot, facts, whole, detail));
      if (!card.mode) part.unusable = fmt::format("its driver {} is away", kNvidiaDriver);
    }
  }
  FindForeign(ours, card, facts.layout, now);
  return now;
}

Wanted NvidiaGpu::Wish(std::string_view setting, std::string_view part, std::string value,
                       std::string_view initially) const {
  return {.setting = std::string(setting),
          .target = fmt::format("{}{}{}", gpu().ToString(), part.empty() ? "" : "/", part),
          .value = std::move(value),
          .shared = true,
          .initially = std::string(initially)};
}

Result<std::vector<Wanted>> NvidiaGpu::Plan(const Description& now,
                                            const PartRequest& request) const {
  DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
  const std::string target = gpu().ToString();
  if (request.network && *request.network != NetworkRequest()) {
    return Fail(Code::kUnsupported, fmt::format("{} is no network card", target));
  }
  if (request.access == Access::kVfio && !request.share.empty()) {
    return Fail(
        Code::kUnsupported,
        fmt::format("a share of {} cannot be had through VFIO, which gives it whole", target));
  }
  std::vector<Wanted> plan;
  DRAPCI_TRY(Wanted driver, WishDriver(*part, target, request, ""));
  driver.shared = true;  // partitions need the GPU's own, too
  plan.push_back(std::move(driver));
  if (request.access == Access::kVfio || !now.attributes.contains(kMode)) return plan;
  std::string mode(part->name.empty() ? kMigDisabled : kMigEnabled);
  if (policy().allow_reset) mode += kMayReset;
  plan.push_back(Wish(kMigModeSetting, "", std::move(mode), ""));
  if (part->name.empty()) return plan;
  const MigLayout layout = Known().layout;
  const MigSlot* slot = FindSlot(layout, part->name);
  if (slot == nullptr) {
    return Fail(Code::kNotFound, fmt::format("{} has no part '{}' now", name(), part->name));
  }
  const GpuInstanceValue wish{
      .profile_id = slot->profile_id, .place = slot->place, .compute = {slot->compute_slices}};
  plan.push_back(Wish(kGpuInstanceSetting, part->name, FormatGpuInstance(wish), kNoGpuInstance));
  return plan;
}

// The nodes that let a container use the instances at `slot`, and what they are to programs.
Result<std::vector<std::string>> NvidiaGpu::InstanceNodes(const MigSlot& slot, unsigned minor,
                                                          std::string& uuid) const {
  DRAPCI_TRY(const std::vector<GpuInstance> instances, host().nvml->GpuInstances(gpu()));
  const auto instance = std::ranges::find_if(instances, [&](const GpuInstance& each) {
    return each.profile_id == slot.profile_id && each.placement == slot.place;
  });
  DRAPCI_TRY(const std::vector<MigDevice> devices, host().nvml->MigDevices(gpu()));
  const auto device = instance == instances.end()
                          ? devices.end()
                          : std::ranges::find(devices, instance->id, &MigDevice::gpu_instance);
  if (device == devices.end()) {
    return Fail(Code::kNotFound,
                fmt::format("there is no MIG device at {} of {}", slot.part, gpu().ToString()));
  }
  uuid = device->uuid;
  const std::string of_gpu = fmt::format("gpu{}/mig/gi{}", minor, device->gpu_instance);
  std::vector<std::string> nodes(2);
  DRAPCI_TRY(nodes[0], NvidiaCapabilityNode(host().sysfs, of_gpu));
  DRAPCI_TRY(nodes[1], NvidiaCapabilityNode(
                           host().sysfs, fmt::format("{}/ci{}", of_gpu, device->compute_instance)));
  return nodes;
}

Result<ContainerEdits> NvidiaGpu::Edits(const PartRequest& request, MonotonicTime deadline) const {
  PartRequest plain = request;
  plain.network.reset();
  const auto minor = NvidiaMinor(host().sysfs, gpu());
  if (request.part.empty() && (request.access == Access::kVfio || !minor)) {
    return EditsOf(gpu(), plain, deadline);
  }
  if (!minor) {
    return Fail(Code::kConflict,
                fmt::format("{} is not driven by {}", gpu().ToString(), kNvidiaDriver));
  }
  std::vector<std::string> nodes{fmt::format("/dev/nvidia{}", *minor), "/dev/nvidiactl"};
  // There as soon as their module is loaded (nvidia-modprobe -u).
  for (const char* node : {"/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"}) {
    if (host().dev.Stat(node)) nodes.emplace_back(node);
  }
  static_cast<void>(ReadCard(kNvidiaDriver));  // the MIG mode may have told more
  const Facts facts = Known();
  std::string uuid = facts.uuid;
  if (!request.part.empty()) {
    const MigSlot* slot = FindSlot(facts.layout, request.part);
    if (slot == nullptr || host().nvml == nullptr) {
      return Fail(Code::kNotFound, fmt::format("{} has no part '{}'", name(), request.part));
    }
    DRAPCI_TRY(std::vector<std::string> more, InstanceNodes(*slot, *minor, uuid));
    std::ranges::move(more, std::back_inserter(nodes));
  } else {
    DRAPCI_TRY(const ContainerEdits others, EditsOf(gpu(), plain, deadline));  // what draws
    std::ranges::copy(others.device_nodes, std::back_inserter(nodes));
  }
  std::ranges::sort(nodes);
  nodes.erase(std::ranges::unique(nodes).begin(), nodes.end());
  auto made = EditsOfNodes(request.part, std::move(nodes), deadline);
  if (!made) {
    return Fail(
        std::move(made).error().Within("nodes of the NVIDIA driver are made by nvidia-modprobe (-c "
                                       "for GPUs, -f for capabilities)"));
  }
  ContainerEdits edits = *std::move(made);
  if (!uuid.empty()) edits.environment.emplace(Variable("UUID", request.part), uuid);
  // Images of CUDA say "all", by which NVIDIA's older hook would add every GPU of the machine.
  edits.environment.emplace("NVIDIA_VISIBLE_DEVICES", "void");
  return edits;
}

}  // namespace

bool IsNvidiaGpu(const PciFunction& function) {
  return IsEndpoint(function) && function.vendor == kNvidia &&
         function.class_code >> 16 == kDisplayClass &&
         (function.driver.empty() || function.driver == kNvidiaDriver ||
          IsVfioDriver(function.driver));
}

std::unique_ptr<Accelerator> MakeNvidiaAccelerator(Host& host, PciFunction function,
                                                   AcceleratorPolicy policy,
                                                   std::string in_host_use) {
  return std::make_unique<NvidiaGpu>(host, std::move(function), std::move(policy),
                                     std::move(in_host_use));
}

}  // namespace drapci::hal
