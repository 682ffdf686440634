#include "driver/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "driver/inventory.h"

namespace drapci::driver {
namespace {

// Why nothing of the accelerator, or not this part, can be given; empty when it can.
std::string Refusal(const hal::Description& now, const hal::Part& part) {
  if (!now.unusable.empty()) return now.unusable;
  if (!now.foreign.empty()) return now.foreign;
  return part.unusable;
}

}  // namespace

bool BelongsTo(std::string_view device, std::string_view accelerator) {
  if (!device.starts_with(accelerator)) return false;
  return device.size() == accelerator.size() || device[accelerator.size()] == '-';
}

Result<Outline> MakeOutline(const ClaimRequest& request,
                            const std::map<std::string, Candidate>& candidates) {
  Outline outline;
  std::set<std::string> listed;  // keys of the shared steps already in the outline
  for (const DeviceRequest& wish : request.devices) {
    const Candidate* candidate = nullptr;
    const hal::Part* part = nullptr;
    for (const auto& [name, each] : candidates) {
      if (!BelongsTo(wish.device, name)) continue;
      const auto found = std::ranges::find_if(each.now.parts, [&](const hal::Part& p) {
        return DeviceName(name, p.name) == wish.device;
      });
      if (found == each.now.parts.end()) continue;
      candidate = &each;
      part = &*found;
    }
    if (part == nullptr) {
      return Fail(Code::kNotFound, fmt::format("there is no device '{}' on this node now: see "
                                               "'drapci devices'",
                                               wish.device));
    }
    if (const std::string refusal = Refusal(candidate->now, *part); !refusal.empty()) {
      return Fail(Code::kDenied, fmt::format("{} cannot be given: {}", wish.device, refusal));
    }
    if (!wish.share_id.empty()) {
      return Fail(Code::kUnsupported,
                  fmt::format("{} cannot be shared: claim it without a shareID", wish.device));
    }
    const std::string& accelerator = candidate->accelerator->name();
    outline.devices.push_back(
        {.request = wish, .accelerator = accelerator, .part = part->name, .cdi_ids = {}});
    if (wish.admin_access) continue;
    outline.holdings.push_back({.accelerator = accelerator,
                                .device = wish.device,
                                .part = part->name,
                                .consumes = part->consumes});
    auto wanted =
        candidate->accelerator->Plan(candidate->now, {.part = part->name, .access = wish.access});
    if (!wanted) return Fail(std::move(wanted).error().Within(wish.device));
    for (hal::Wanted& each : *wanted) {
      if (each.shared && !listed.insert(each.setting + " " + each.target).second) continue;
      outline.steps.push_back({.accelerator = accelerator, .wanted = std::move(each)});
    }
  }
  return outline;
}

std::map<std::string, std::map<std::string, int64_t>> Stock(
    const std::map<std::string, Candidate>& candidates) {
  std::map<std::string, std::map<std::string, int64_t>> stock;
  for (const auto& [name, candidate] : candidates) stock[name] = candidate.now.counters;
  return stock;
}

}  // namespace drapci::driver
