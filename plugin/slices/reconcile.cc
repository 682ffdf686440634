#include "plugin/slices/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "hal/base/parse.h"

namespace drapci::plugin::slices {
namespace {

// How many digits the index in the names of a pool's slices has.
size_t IndexDigits(size_t slices) {
  return std::max<size_t>(5, fmt::format("{:x}", slices == 0 ? 0 : slices - 1).size());
}

// The index that the name begins with, of one of `slices` slices: lower-case hex up to the first
// '-', all of the digits.
std::optional<size_t> IndexOf(std::string_view name, size_t slices) {
  const std::string_view digits = name.substr(0, name.find('-'));
  const bool lower = std::ranges::none_of(digits, [](char c) { return c >= 'A' && c <= 'F'; });
  if (digits.size() == name.size() || digits.size() != IndexDigits(slices) || !lower) {
    return std::nullopt;
  }
  const auto index = ParseInt<size_t>(digits, 16);
  return index && *index < slices ? index : std::nullopt;
}

std::string DeleteOptions(const StoredSlice& slice) {
  const nlohmann::ordered_json options{
      {"apiVersion", "v1"},
      {"kind", "DeleteOptions"},
      {"preconditions", {{"uid", slice.uid}, {"resourceVersion", slice.resource_version}}}};
  return options.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// A taint that stays has the time at which it came.
void KeepTimes(const SliceContent& stored, SliceContent& wanted) {
  for (SliceDevice& device : wanted.devices) {
    const auto old = std::ranges::find(stored.devices, device.name, &SliceDevice::name);
    if (old == stored.devices.end()) continue;
    for (Taint& taint : device.taints) {
      const auto before = std::ranges::find_if(old->taints, [&taint](const Taint& each) {
        return each.key == taint.key && each.value == taint.value && each.effect == taint.effect;
      });
      if (taint.time_added.empty() && before != old->taints.end()) {
        taint.time_added = before->time_added;
      }
    }
  }
}

struct Writes {
  std::vector<Write> deletes, updates, creates;

  void Delete(const StoredSlice& slice) {
    deletes.push_back({.kind = Write::Kind::kDelete,
                       .pool = slice.pool,
                       .index = 0,
                       .stored = slice,
                       .body = DeleteOptions(slice)});
  }
};

void ReconcilePool(const Owner& owner, const Pool& wanted,
                   const std::vector<const StoredSlice*>& stored, Writes& writes) {
  int64_t generation = 0;
  for (const StoredSlice* slice : stored) generation = std::max(generation, slice->generation);
  // Somebody has used all generations up: begin anew.
  const bool exhausted = generation == std::numeric_limits<int64_t>::max();

  const size_t count = wanted.slices.size();
  std::vector<const StoredSlice*> matched(count, nullptr);
  for (const StoredSlice* slice : stored) {
    const auto index = IndexOf(slice->name, count);
    const bool current = !exhausted && slice->generation == generation;
    if (current && index && matched[*index] == nullptr) {
      matched[*index] = slice;
    } else {
      writes.Delete(*slice);
    }
  }
  if (exhausted) generation = 0;

  const auto is_changed = [&](size_t index) {
    const StoredSlice& slice = *matched[index];
    return slice.foreign || slice.slice_count != static_cast<int64_t>(count) ||
           !SameContent(wanted.slices[index], slice.content);
  };
  size_t changed = 0, fresh = 0;
  bool resized = false;
  for (size_t index = 0; index < count; ++index) {
    if (matched[index] == nullptr) {
      ++fresh;
      continue;
    }
    changed += is_changed(index) ? 1 : 0;
    resized |= matched[index]->slice_count != static_cast<int64_t>(count);
  }
  const bool grown = fresh > 0 || changed > 1 || resized;
  if (grown) ++generation;

  for (size_t index = 0; index < count; ++index) {
    Write write{.kind = Write::Kind::kCreate,
                .pool = wanted.name,
                .index = index,
                .stored = {},
                .body = {}};
    if (matched[index] == nullptr) {
      write.body =
          EncodeSlice(owner, wanted.name, generation, count, index, wanted.slices[index], nullptr);
      writes.creates.push_back(std::move(write));
    } else if (grown || is_changed(index)) {
      SliceContent content = wanted.slices[index];
      KeepTimes(matched[index]->content, content);
      write.kind = Write::Kind::kUpdate;
      write.stored = *matched[index];
      write.body =
          EncodeSlice(owner, wanted.name, generation, count, index, content, matched[index]);
      writes.updates.push_back(std::move(write));
    }
  }
}

}  // namespace

std::vector<Write> Reconcile(const Owner& owner, const std::vector<Pool>& wanted,
                             const std::vector<StoredSlice>& stored) {
  std::map<std::string, std::vector<const StoredSlice*>> by_pool;
  for (const StoredSlice& slice : stored) by_pool[slice.pool].push_back(&slice);
  for (auto& [pool, slices] : by_pool) {
    std::ranges::sort(slices, {}, [](const StoredSlice* slice) { return slice->name; });
  }
  Writes writes;
  for (const Pool& pool : wanted) {
    ReconcilePool(owner, pool, by_pool[pool.name], writes);
    by_pool.erase(pool.name);
  }
  for (const auto& [pool, slices] : by_pool) {
    for (const StoredSlice* slice : slices) writes.Delete(*slice);
  }
  std::vector<Write> all = std::move(writes.deletes);
  std::ranges::move(writes.updates, std::back_inserter(all));
  std::ranges::move(writes.creates, std::back_inserter(all));
  return all;
}

}  // namespace drapci::plugin::slices
