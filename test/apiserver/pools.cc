#include "test/apiserver/pools.h"

#include <fmt/format.h>

#include <algorithm>

#include "test/apiserver/fields.h"

namespace drapci::apiserver {
namespace {

Quantity Amount(const json& text) {
  const auto quantity = Quantity::Parse(text.is_string() ? text.get<std::string>() : text.dump());
  return quantity.value_or(Quantity());
}

bool Sees(const json& holder, const std::string& node) {
  if (Has(holder, "nodeName")) return Text(holder, "nodeName") == node;
  if (True(holder, "allNodes")) return true;
  const json& terms = List(At(holder, "nodeSelector"), "nodeSelectorTerms");
  if (terms.size() != 1) return false;
  for (const json& field : List(terms[0], "matchFields")) {
    const json& values = List(field, "values");
    if (std::ranges::find(values, json(node)) == values.end()) return false;
  }
  return !Has(terms[0], "matchExpressions");
}

void CheckReferences(Pool& pool) {
  std::set<std::string> names;
  for (const PooledDevice& device : pool.devices) {
    if (!names.insert(device.name()).second) {
      pool.invalid = fmt::format("device {} is listed twice", device.name());
    }
    for (const json& consumes : List(*device.device, "consumesCounters")) {
      const auto set = pool.counters.find(Text(consumes, "counterSet"));
      for (const auto& [name, counter] : Map(consumes, "counters").items()) {
        if (set != pool.counters.end() && set->second.contains(name)) continue;
        pool.invalid = fmt::format("device {} consumes counter {} of set {}, which is not there",
                                   device.name(), name, Text(consumes, "counterSet"));
      }
    }
  }
}

void AddSlice(const Object& slice, Pool& pool) {
  const json& spec = At(*slice, "spec");
  for (const json& set : List(spec, "sharedCounters")) {
    auto [added, is_new] = pool.counters.try_emplace(Text(set, "name"));
    if (!is_new) pool.invalid = fmt::format("counter set {} is listed twice", Text(set, "name"));
    for (const auto& [name, counter] : Map(set, "counters").items()) {
      added->second[name] = Amount(At(counter, "value")).nano;
    }
  }
  for (const json& device : List(spec, "devices")) pool.devices.push_back({slice, &device});
}

Pool MakePool(const std::vector<Object>& slices, const std::string& node, int minor) {
  const auto pool_of = [](const Object& slice) -> const json& {
    return At(At(*slice, "spec"), "pool");
  };
  Pool pool{.driver = Text(At(*slices.front(), "spec"), "driver"),
            .name = Text(pool_of(slices.front()), "name")};
  int64_t generation = 0;
  for (const Object& slice : slices) {
    generation = std::max(generation, Number(pool_of(slice), "generation"));
  }
  int64_t count = 0, wanted = 0;
  for (const Object& slice : slices) {
    if (Number(pool_of(slice), "generation") != generation) continue;
    ++count;
    wanted = Number(pool_of(slice), "resourceSliceCount");
    AddSlice(slice, pool);
  }
  CheckReferences(pool);
  if (count != wanted && minor >= 35) {
    pool.invalid = fmt::format("{} of {} slices are there", count, wanted);
  }
  std::erase_if(pool.devices, [&](const PooledDevice& device) {
    return True(At(*device.slice, "spec"), "perDeviceNodeSelection") && !Sees(*device.device, node);
  });
  return pool;
}

}  // namespace

std::string PooledDevice::name() const { return Text(*device, "name"); }

bool PooledDevice::shared() const { return True(*device, "allowMultipleAllocations"); }

std::vector<Pool> PoolsOf(const Objects& slices, const std::string& node, int minor) {
  std::map<std::pair<std::string, std::string>, std::vector<Object>> by_pool;
  for (const auto& [key, slice] : slices) {  // in the order of their names
    const json& spec = At(*slice, "spec");
    if (!True(spec, "perDeviceNodeSelection") && !Sees(spec, node)) continue;
    by_pool[{Text(spec, "driver"), Text(At(spec, "pool"), "name")}].push_back(slice);
  }
  std::vector<Pool> pools;
  for (const auto& [id, list] : by_pool) pools.push_back(MakePool(list, node, minor));
  return pools;
}

std::optional<Quantity> ShareOf(const json& capacity, const json& asked) {
  const Quantity value = Amount(At(capacity, "value"));
  const json& policy = At(capacity, "requestPolicy");
  if (policy.is_null()) return asked.is_null() ? value : Amount(asked);
  const Quantity want = asked.is_null() && Has(policy, "default") ? Amount(At(policy, "default"))
                        : asked.is_null()                         ? value
                                                                  : Amount(asked);
  if (Has(policy, "validValues")) {
    for (const json& valid : List(policy, "validValues")) {
      if (Amount(valid).nano >= want.nano) return Amount(valid);
    }
    return std::nullopt;
  }
  if (!Has(policy, "validRange")) return want;
  const json& range = At(policy, "validRange");
  const Quantity min = Amount(At(range, "min"));
  Quantity share = want.nano < min.nano ? min : want;
  if (Has(range, "step")) {
    const Int128 step = Amount(At(range, "step")).nano;
    if (step > 0) share.nano = min.nano + (share.nano - min.nano + step - 1) / step * step;
  }
  if (Has(range, "max") && share.nano > Amount(At(range, "max")).nano) return std::nullopt;
  return share;
}

InUse::DeviceId InUse::IdOf(const Pool& pool, const PooledDevice& device) {
  return {{pool.driver, pool.name}, device.name()};
}

InUse::InUse(const Objects& claims, const std::vector<Pool>& pools) {
  std::map<DeviceId, std::pair<const Pool*, const PooledDevice*>> published;
  for (const Pool& pool : pools) {
    for (const auto& device : pool.devices) published[IdOf(pool, device)] = {&pool, &device};
  }
  for (const auto& [key, claim] : claims) {
    const json& devices = At(At(At(*claim, "status"), "allocation"), "devices");
    for (const json& result : List(devices, "results")) {
      if (True(result, "adminAccess")) continue;
      const DeviceId id{{Text(result, "driver"), Text(result, "pool")}, Text(result, "device")};
      const bool first = devices_.insert(id).second;
      for (const auto& [name, share] : Map(result, "consumedCapacity").items()) {
        shares_[id][name] += Amount(share).nano;
      }
      const auto found = published.find(id);
      if (first && found != published.end()) {
        TakeCounters(*found->second.first, *found->second.second);
      }
    }
  }
}

void InUse::TakeCounters(const Pool& pool, const PooledDevice& device) {
  for (const json& consumes : List(*device.device, "consumesCounters")) {
    for (const auto& [name, counter] : Map(consumes, "counters").items()) {
      counters_[{pool.driver, pool.name}][Text(consumes, "counterSet")][name] +=
          Amount(At(counter, "value")).nano;
    }
  }
}

bool InUse::CountersLeft(const Pool& pool, const PooledDevice& device) const {
  const auto used_of_pool = counters_.find({pool.driver, pool.name});
  for (const json& consumes : List(*device.device, "consumesCounters")) {
    const std::string set = Text(consumes, "counterSet");
    for (const auto& [name, counter] : Map(consumes, "counters").items()) {
      Int128 used = 0;
      if (used_of_pool != counters_.end()) {
        const auto sets = used_of_pool->second.find(set);
        if (sets != used_of_pool->second.end()) {
          const auto counters = sets->second.find(name);
          used = counters == sets->second.end() ? 0 : counters->second;
        }
      }
      if (pool.counters.at(set).at(name) - used < Amount(At(counter, "value")).nano) return false;
    }
  }
  return true;
}

bool InUse::Share(const Pool& pool, const PooledDevice& device, const json& capacity,
                  json& consumed) {
  auto taken = shares_[IdOf(pool, device)];
  json shares = json::object();
  for (const auto& [name, wanted] : capacity.items()) {
    if (!Has(Map(*device.device, "capacity"), name)) return false;
  }
  for (const auto& [name, offered] : Map(*device.device, "capacity").items()) {
    const auto share = ShareOf(offered, At(capacity, name));
    if (!share) return false;
    taken[name] += share->nano;
    if (taken[name] > Amount(At(offered, "value")).nano) return false;
    shares[name] = share->Canonical();
  }
  shares_[IdOf(pool, device)] = std::move(taken);
  consumed = std::move(shares);
  return true;
}

bool InUse::Take(const Pool& pool, const PooledDevice& device, const json& capacity, bool admin,
                 json& consumed) {
  const DeviceId id = IdOf(pool, device);
  const bool shared = device.shared();
  const bool used = devices_.contains(id);
  if (used && !shared && !admin) return false;
  // The counters of a shared device are taken once; those of an exclusive one hold even for admins.
  if (!(used && shared) && !CountersLeft(pool, device)) return false;
  if (shared && !Share(pool, device, capacity, consumed)) return false;
  if (!shared) {
    for (const auto& [name, wanted] : capacity.items()) {
      const json& offered = At(Map(*device.device, "capacity"), name);
      if (offered.is_null() || Amount(At(offered, "value")).nano < Amount(wanted).nano)
        return false;
    }
  }
  if (!admin && devices_.insert(id).second) TakeCounters(pool, device);
  return true;
}

}  // namespace drapci::apiserver
