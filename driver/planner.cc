#include "driver/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "driver/inventory.h"

namespace drapci::driver {
namespace {

std::unexpected<Error> Refuse(std::string_view device, std::string_view reason) {
  return Fail(Code::kDenied, fmt::format("{} cannot be given: {}", device, reason));
}

}  // namespace

bool BelongsTo(std::string_view device, std::string_view accelerator) {
  if (!device.starts_with(accelerator)) return false;
  return device.size() == accelerator.size() || device[accelerator.size()] == '-';
}

Result<std::vector<Choice>> ChooseParts(const ClaimRequest& request,
                                        const std::map<std::string, Candidate>& candidates) {
  std::vector<Choice> choices;
  for (const DeviceRequest& wish : request.devices) {
    Choice choice{.wish = &wish};
    for (const auto& [name, candidate] : candidates) {
      if (!BelongsTo(wish.device, name)) continue;
      const std::string_view rest = std::string_view(wish.device).substr(name.size());
      if (rest == "-") continue;  // the whole has no name of its own
      const std::string_view part_name = rest.substr(rest.empty() ? 0 : 1);
      for (const hal::Part& part : candidate.now.parts) {
        if (part.name != part_name) continue;
        choice.candidate = &candidate;
        choice.part = &part;
      }
    }
    if (choice.part == nullptr) {
      return Fail(Code::kNotFound,
                  fmt::format("there is no device '{}' on this node now: see 'drapci devices'",
                              wish.device));
    }
    const hal::Description& now = choice.candidate->now;
    if (!now.unusable.empty()) return Refuse(wish.device, now.unusable);
    if (!now.foreign.empty()) return Refuse(wish.device, now.foreign);
    if (!wish.share_id.empty()) {
      return Fail(Code::kUnsupported,
                  fmt::format("{} cannot be shared: claim it without a shareID", wish.device));
    }
    choices.push_back(choice);
  }
  return choices;
}

std::vector<Holding> Holdings(const std::vector<Choice>& choices) {
  std::vector<Holding> holdings;
  for (const auto& [wish, candidate, part] : choices) {
    if (wish->admin_access) continue;
    holdings.push_back({.accelerator = candidate->accelerator->name(),
                        .device = wish->device,
                        .part = part->name,
                        .consumes = part->consumes});
  }
  return holdings;
}

Result<Outline> MakeOutline(const std::vector<Choice>& choices) {
  Outline outline{.holdings = Holdings(choices), .devices = {}, .steps = {}};
  std::set<std::string> listed;  // keys of the shared steps already in the outline
  for (const auto& [wish, candidate, part] : choices) {
    if (!part->unusable.empty()) return Refuse(wish->device, part->unusable);
    const std::string& accelerator = candidate->accelerator->name();
    outline.devices.push_back(
        {.request = *wish, .accelerator = accelerator, .part = part->name, .cdi_ids = {}});
    if (wish->admin_access) continue;
    auto wanted =
        candidate->accelerator->Plan(candidate->now, {.part = part->name, .access = wish->access});
    if (!wanted) return Fail(std::move(wanted).error().Within(wish->device));
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
