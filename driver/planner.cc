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

Result<Choice> FindChoice(const DeviceRequest& wish,
                          const std::map<std::string, Candidate>& candidates) {
  for (const auto& [name, candidate] : candidates) {
    if (!BelongsTo(wish.device, name)) continue;
    const std::string_view rest = std::string_view(wish.device).substr(name.size());
    if (rest == "-") continue;  // the whole has no name of its own
    const std::string_view part_name = rest.substr(rest.empty() ? 0 : 1);
    const auto part = std::ranges::find(candidate.now.parts, part_name, &hal::Part::name);
    if (part == candidate.now.parts.end()) {
      if (!candidate.now.foreign.empty()) return Refuse(wish.device, candidate.now.foreign);
      continue;
    }
    return Choice{.wish = &wish, .candidate = &candidate, .part = &*part, .share = {}};
  }
  return Fail(
      Code::kNotFound,
      fmt::format("there is no device '{}' on this node now: see 'drapci devices'", wish.device));
}

// What the share is of each capacity: what was asked for, else the default.
Result<std::map<std::string, int64_t>> SizeOfShare(const DeviceRequest& wish,
                                                   const hal::Part& part) {
  if (part.capacities.empty()) {
    return Fail(Code::kUnsupported,
                fmt::format("{} cannot be shared: claim it without a shareID", wish.device));
  }
  for (const auto& [name, amount] : wish.share) {
    if (part.capacities.contains(name)) continue;
    return Fail(Code::kInvalid, fmt::format("{} has no capacity '{}' to share", wish.device, name));
  }
  std::map<std::string, int64_t> share;
  for (const auto& [name, capacity] : part.capacities) {
    const auto asked = wish.share.find(name);
    const int64_t amount = asked == wish.share.end() ? capacity.default_share : asked->second;
    const int64_t most = capacity.max.value_or(capacity.value);
    if (amount < capacity.min || amount > most || (amount - capacity.min) % capacity.step != 0) {
      return Fail(
          Code::kInvalid,
          fmt::format("{}: a share of {} '{}' is not possible: from {} to {} in steps of {}",
                      wish.device, amount, name, capacity.min, most, capacity.step));
    }
    share.emplace(name, amount);
  }
  return share;
}

// The part that stands for the share; the shared part itself when none does.
Result<const hal::Part*> PartForShare(const Choice& choice, const Taken& taken) {
  if (choice.part->share_parts.empty()) return choice.part;
  const std::string& accelerator = choice.candidate->accelerator->name();
  for (const std::string& name : choice.part->share_parts) {
    if (taken(DeviceName(accelerator, name))) continue;
    const auto part = std::ranges::find(choice.candidate->now.parts, name, &hal::Part::name);
    if (part != choice.candidate->now.parts.end()) return &*part;
  }
  return Fail(Code::kExhausted,
              fmt::format("{} has no share left: all {} are held, see 'drapci claims'",
                          choice.wish->device, choice.part->share_parts.size()));
}

}  // namespace

bool BelongsTo(std::string_view device, std::string_view accelerator) {
  if (!device.starts_with(accelerator)) return false;
  return device.size() == accelerator.size() || device[accelerator.size()] == '-';
}

Result<std::vector<Choice>> ChooseParts(const ClaimRequest& request,
                                        const std::map<std::string, Candidate>& candidates,
                                        const Taken& taken) {
  std::vector<Choice> choices;
  std::set<std::string> chosen;  // by an earlier share of the same claim
  for (const DeviceRequest& wish : request.devices) {
    DRAPCI_TRY(Choice choice, FindChoice(wish, candidates));
    const hal::Description& now = choice.candidate->now;
    if (!now.unusable.empty()) return Refuse(wish.device, now.unusable);
    if (!now.foreign.empty()) return Refuse(wish.device, now.foreign);
    if (choice.part->stands_for_share) {
      return Refuse(wish.device, fmt::format("it stands for a share of {}: claim a share of that",
                                             choice.candidate->accelerator->name()));
    }
    if (!wish.share_id.empty()) {
      DRAPCI_TRY(choice.share, SizeOfShare(wish, *choice.part));
      DRAPCI_TRY(choice.part, PartForShare(choice, [&](const std::string& device) {
                   return taken(device) || !chosen.insert(device).second;
                 }));
    } else if (!choice.part->capacities.empty() && !wish.admin_access) {
      return Refuse(wish.device, "it is given in shares only: claim a share of it");
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<Holding> Holdings(const std::vector<Choice>& choices) {
  std::vector<Holding> holdings;
  for (const auto& [wish, candidate, part, share] : choices) {
    if (wish->admin_access) continue;
    holdings.push_back({.accelerator = candidate->accelerator->name(),
                        .device = wish->device,
                        .part = part->name,
                        .share_id = wish->share_id,
                        .consumes = share.empty() ? part->consumes : share,
                        .card = hal::CardIdentity(candidate->accelerator->function())});
  }
  return holdings;
}

Result<Outline> MakeOutline(const std::vector<Choice>& choices) {
  Outline outline{.holdings = Holdings(choices), .devices = {}, .steps = {}};
  std::set<std::string> listed;  // keys of the shared steps already in the outline
  for (const Choice& choice : choices) {
    const auto& [wish, candidate, part, share] = choice;
    if (!part->unusable.empty()) return Refuse(wish->device, part->unusable);
    const std::string& accelerator = candidate->accelerator->name();
    outline.devices.push_back(
        {.request = *wish, .accelerator = accelerator, .part = part->name, .cdi_ids = {}});
    if (wish->admin_access) continue;
    auto wanted =
        candidate->accelerator->Plan(candidate->now, PartRequestOf(*wish, part->name, share));
    if (!wanted) return Fail(std::move(wanted).error().Within(wish->device));
    for (hal::Wanted& each : *wanted) {
      if (each.shared && !listed.insert(each.setting + " " + each.target).second) continue;
      outline.steps.push_back({.accelerator = accelerator, .wanted = std::move(each)});
    }
  }
  return outline;
}

hal::PartRequest PartRequestOf(const DeviceRequest& wish, const std::string& part,
                               const std::map<std::string, int64_t>& share) {
  return {.part = part,
          .access = wish.access,
          .share = share,
          .network = wish.network,
          .image = wish.image};
}

std::map<std::string, std::map<std::string, int64_t>> Stock(
    const std::map<std::string, Candidate>& candidates) {
  std::map<std::string, std::map<std::string, int64_t>> stock;
  for (const auto& [name, candidate] : candidates) stock[name] = candidate.now.counters;
  return stock;
}

}  // namespace drapci::driver
