#include "hal/accel/idxd.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/function.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr const char* kEntries = "entries";
constexpr const char* kEngines = "engines";
constexpr const char* kConfigurable = "configurable";
constexpr const char* kPriority = "priority";
constexpr uint16_t kIntel = 0x8086;
// drivers/dma/idxd/init.c idxd_pci_tbl
constexpr uint16_t kDevices[] = {0x0b25, 0x0cfe, 0x11fb, 0x1212, 0x1216};
// All devices so far have as many; of one whose driver is away the number cannot be read.
constexpr int kUsualEntries = 128;
constexpr int kQueuePriority = 10;  // of 1 to 15; equal for all queues
constexpr int kGroup = 0;

bool IsConfigured(const IdxdQueue& queue) {
  return queue.enabled || queue.size != 0 || queue.group != -1 || queue.config.type != "none";
}

// What the kernel configures itself for its compression, and does not use
// (drivers/dma/idxd/defaults.c idxd_load_iaa_device_defaults, since 6.8).
bool IsKernelsDefault(const IdxdDevice& device, size_t queue) {
  const IdxdQueue& found = device.queues[queue];
  return device.Kind() == "iax" && queue == 0 && !found.enabled && found.group == 0 &&
         found.config.type == "kernel" && found.config.name == "iaa_crypto";
}

// "0x100" is version 1.0.
std::string Version(const std::string& text) {
  const auto version = ParseHex<uint32_t>(Trim(text));
  return version ? fmt::format("{}.{}", *version >> 8, *version & 0xff) : std::string();
}

}  // namespace

IdxdAccelerator::IdxdAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                                 std::string in_host_use)
    : PciAccelerator(host, "idxd", std::move(function), std::move(policy), std::move(in_host_use)),
      target_(this->function().address.ToString()) {}

Result<std::vector<IdxdAccelerator::Offer>> IdxdAccelerator::Divide(
    const IdxdDevice& device) const {
  const int most = std::min(static_cast<int>(device.queues.size()), device.max_size);
  std::vector<WorkQueue> wanted = policy().work_queues;
  if (wanted.empty()) {
    for (int i = 0; i < most; ++i) wanted.push_back({.shared = i >= (most + 1) / 2, .size = 0});
  }
  const auto count = static_cast<int>(wanted.size());
  int said = 0, unsaid = 0;
  for (const WorkQueue& queue : wanted) {
    said += queue.size;
    if (queue.size == 0) ++unsaid;
  }
  const int even = unsaid == 0 ? 0 : (device.max_size - said) / unsaid;
  if (count > most || said > device.max_size || (unsaid != 0 && even <= 0)) {
    return Fail(
        Code::kConflict,
        fmt::format("the configuration (workQueues) asks for {} work queues with {} "
                    "entries or more, and {} has {} with {}",
                    count, said + unsaid, device.name, device.queues.size(), device.max_size));
  }
  std::vector<Offer> offers;
  int start = 0;
  for (int i = 0; i < count; ++i) {
    const WorkQueue& queue = wanted[static_cast<size_t>(i)];
    const int size = queue.size == 0 ? even : queue.size;
    offers.push_back(
        {.queue = i, .size = size, .start = start, .shared = queue.shared, .unusable = {}});
    start += size;
  }
  return offers;
}

std::vector<IdxdAccelerator::Offer> IdxdAccelerator::Existing(const IdxdDevice& device) const {
  const bool handed_over = policy().vfs == AcceleratorPolicy::Vfs::kExisting;
  // A queue that is off has forgotten its mode (idxd_wq_disable_cleanup).
  const auto planned = Divide(device);
  std::vector<Offer> offers;
  int start = 0;
  for (size_t i = 0; i < device.queues.size(); ++i) {
    const IdxdQueue& queue = device.queues[i];
    if (queue.group < 0 || queue.size == 0) continue;
    Offer offer{.queue = static_cast<int>(i),
                .size = queue.size,
                .start = start,
                .shared = queue.config.mode == "shared",
                .unusable = {}};
    start += queue.size;
    if (handed_over) {
      if (!queue.enabled || queue.config.type != "user") continue;
      if (!offer.shared && queue.clients != 0) offer.unusable = "somebody else has it open";
    } else if (!queue.enabled && device.configurable && planned && i < planned->size()) {
      offer.shared = (*planned)[i].shared;
    }
    offers.push_back(std::move(offer));
  }
  return offers;
}

std::string IdxdAccelerator::Foreign(const IdxdDevice& device) const {
  constexpr std::string_view kWayOut =
      "disable it (accel-config disable-device), or set vfs: existing for it to hand its queues "
      "over";
  for (size_t i = 0; i < device.queues.size(); ++i) {
    const IdxdQueue& queue = device.queues[i];
    if (!IsConfigured(queue) || IsKernelsDefault(device, i)) continue;
    // Without permission to change it the hardware's own layout is nobody's doing.
    if (!device.configurable && !queue.enabled) continue;
    return fmt::format("somebody else has configured {} ({}{}): {}",
                       device.QueueName(static_cast<int>(i)), queue.enabled ? "enabled as " : "of ",
                       queue.enabled ? fmt::format("'{}'", queue.config.name)
                                     : fmt::format("{} entries", queue.size),
                       kWayOut);
  }
  const bool kernels = !device.queues.empty() && IsKernelsDefault(device, 0);
  const bool engines = std::ranges::any_of(device.engines, [](int group) { return group != -1; });
  if (kernels || !device.configurable) return {};
  if (device.state == IdxdState::kEnabled || engines) {
    return fmt::format("somebody else has {} {}: {}",
                       device.state == IdxdState::kEnabled ? "enabled" : "configured", device.name,
                       kWayOut);
  }
  return {};
}

Part IdxdAccelerator::QueuePart(const Offer& offer, const IdxdDevice& device, const Part& whole,
                                Detail detail) const {
  Part part;
  part.name = IdxdPartName(offer.queue);
  part.profile = offer.shared ? "shared" : "dedicated";
  part.consumes.emplace(kEntries, offer.size);
  part.extent = Extent{.start = offer.start, .size = offer.size};
  part.no_vfio = fmt::format(
      "a work queue cannot be given through VFIO: claim the whole of {} for that", target_);
  part.unusable = offer.unusable;
  if (part.unusable.empty() && !device.sva) {
    part.unusable = fmt::format(
        "{} has no SVA, which user work queues need: boot with intel_iommu=on,sm_on", device.name);
  }
  if (offer.shared) {
    part.capacities.emplace(kEntries,
                            Capacity{.value = offer.size, .max = offer.size, .enforced = false});
  }
  if (!device.configurable) {
    const IdxdQueue& queue = device.queues[static_cast<size_t>(offer.queue)];
    part.attributes.emplace(kPriority, int64_t{queue.config.priority});
  }
  if (detail == Detail::kBrief) return part;
  part.attributes.insert(whole.attributes.begin(), whole.attributes.end());
  part.attributes.emplace("mode", part.profile);
  part.attributes.emplace("queue", int64_t{offer.queue});
  part.attributes.emplace("size", int64_t{offer.size});
  return part;
}

Result<Description> IdxdAccelerator::Describe(const std::set<std::string>& ours,
                                              Detail detail) const {
  DRAPCI_TRY(Description description, DescribeFunction(ours, detail));
  description.scale = Scale{.unit = "queue entries", .size = kUsualEntries};
  const Result<IdxdDevice> read = ReadIdxd(host().sysfs, function().address);
  if (!read && read.error().code != Code::kGone) return Fail(read.error());
  if (!read) {
    description.counters.emplace(kEntries, kUsualEntries);
    description.parts.push_back(WholePart(kEntries, kUsualEntries, detail));
    return description;
  }
  const IdxdDevice& device = *read;
  description.scale->size = device.max_size;
  description.counters.emplace(kEntries, device.max_size);
  description.attributes.emplace(kEngines, static_cast<int64_t>(device.engines.size()));
  description.attributes.emplace(kConfigurable, device.configurable);
  Part whole = WholePart(kEntries, device.max_size, detail);
  if (detail == Detail::kFull) {
    const auto version = host().sysfs.Read(device.dir + "/version");
    whole.attributes.emplace("accelerator", device.Kind());
    if (version) whole.attributes.emplace("version", Version(*version));
  }
  const bool is_ours =
      ours.contains(fmt::format("{} {}", kIdxdLayoutSetting, target_)) && device.configurable;
  const bool handed_over = policy().vfs == AcceleratorPolicy::Vfs::kExisting;
  const bool any_ours = std::ranges::any_of(ours, [](const std::string& key) {
    return key.starts_with(kIdxdLayoutSetting) || key.starts_with(kIdxdQueueSetting);
  });
  if (description.unusable.empty() && device.state == IdxdState::kHalted) {
    description.unusable = fmt::format(
        "{} has halted after an error ({}/errors): reset the function", device.name, device.dir);
  } else if (description.unusable.empty() && (device.engines.empty() || device.max_groups == 0)) {
    description.unusable = fmt::format("{} has no engine or no group", device.name);
  }
  if (!any_ours && !handed_over && description.foreign.empty()) {
    description.foreign = Foreign(device);
  }
  std::vector<Offer> offers;
  // A layout of ours that was lost (a reset) is made anew, as the policy says now.
  if (handed_over || !device.configurable || (is_ours && device.state == IdxdState::kEnabled)) {
    offers = Existing(device);
  } else if (auto divided = Divide(device)) {
    offers = *std::move(divided);
  } else if (description.unusable.empty()) {
    description.unusable = divided.error().what;
  }
  description.parts.push_back(whole);
  for (const Offer& offer : offers) {
    description.parts.push_back(QueuePart(offer, device, whole, detail));
  }
  return description;
}

Wanted IdxdAccelerator::WishLayout(const Description& now) const {
  IdxdLayout layout{.state = IdxdState::kEnabled, .queues = {}, .engines = {}};
  if (std::get<bool>(now.attributes.at(kConfigurable))) {
    for (const Part& part : now.parts) {
      const auto queue = ParseIdxdPart(part.name);
      if (queue) layout.queues[*queue] = {.group = kGroup, .size = part.extent->size};
    }
    const auto engines = std::get<int64_t>(now.attributes.at(kEngines));
    for (int engine = 0; engine < engines; ++engine) layout.engines.emplace(engine, kGroup);
  }
  return {.setting = std::string(kIdxdLayoutSetting),
          .target = target_,
          .value = FormatIdxdLayout(layout),
          .shared = true,
          .initially = {}};
}

Wanted IdxdAccelerator::WishQueue(const Description& now, const Part& part) const {
  const bool shared = !part.capacities.empty();
  IdxdQueueState state{.on = true, .config = {}};
  state.config = {.mode = shared ? "shared" : "dedicated",
                  .threshold = shared ? part.extent->size : 0,
                  .priority = kQueuePriority,
                  .type = "user",
                  .name = "drapci",
                  .driver = "user"};
  if (!std::get<bool>(now.attributes.at(kConfigurable))) {
    state.config.priority = static_cast<int>(std::get<int64_t>(part.attributes.at(kPriority)));
  }
  return {.setting = std::string(kIdxdQueueSetting),
          .target = fmt::format("{}/{}", target_, part.name),
          .value = FormatIdxdQueue(state),
          .shared = shared,
          .initially = {}};
}

Result<std::vector<Wanted>> IdxdAccelerator::Plan(const Description& now,
                                                  const PartRequest& request) const {
  DRAPCI_TRY(const Part* part, FindPart(now, name(), request.part));
  if (request.network && *request.network != NetworkRequest()) {
    return Fail(Code::kUnsupported, fmt::format("{} is no network card", target_));
  }
  std::vector<Wanted> plan;
  if (!part->name.empty() && request.access == Access::kVfio) {
    return Fail(Code::kUnsupported, part->no_vfio);
  }
  if (part->name.empty()) {
    DRAPCI_TRY(plan.emplace_back(), WishDriver(*part, target_, request, ""));
    if (request.access == Access::kVfio) return plan;
    if (now.parts.size() == 1) {
      return Fail(Code::kUnsupported,
                  fmt::format("{} has no work queues while its driver idxd is not bound: it can be "
                              "given through VFIO only",
                              target_));
    }
  }
  const bool handed_over = policy().vfs == AcceleratorPolicy::Vfs::kExisting;
  if (!handed_over) plan.push_back(WishLayout(now));
  for (const Part& each : now.parts) {
    if (each.name.empty() || (!part->name.empty() && each.name != part->name)) continue;
    if (!each.unusable.empty()) return Fail(Code::kUnsupported, each.unusable);
    if (!handed_over) plan.push_back(WishQueue(now, each));
  }
  return plan;
}

Result<std::vector<Wanted>> IdxdAccelerator::Standing(const Description&) const {
  return std::vector<Wanted>();
}

Result<ContainerEdits> IdxdAccelerator::Edits(const PartRequest& request,
                                              MonotonicTime deadline) const {
  if (request.part.empty()) return EditsOf(function().address, request, deadline);
  const auto queue = ParseIdxdPart(request.part);
  if (!queue)
    return Fail(Code::kNotFound, fmt::format("{} has no part '{}'", name(), request.part));
  DRAPCI_TRY(const IdxdDevice device, ReadIdxd(host().sysfs, function().address));
  const std::string node = device.Node(*queue);
  DRAPCI_TRY(ContainerEdits edits, EditsOfNodes(request.part, {node}, deadline));
  edits.environment.emplace(Variable("WQ", request.part), node);
  return edits;
}

bool IsIdxdFunction(const PciFunction& function) {
  return IsEndpoint(function) && function.vendor == kIntel &&
         std::ranges::find(kDevices, function.device) != std::end(kDevices);
}

std::unique_ptr<Accelerator> MakeIdxdAccelerator(Host& host, PciFunction function,
                                                 AcceleratorPolicy policy,
                                                 std::string in_host_use) {
  return std::make_unique<IdxdAccelerator>(host, std::move(function), std::move(policy),
                                           std::move(in_host_use));
}

}  // namespace drapci::hal
