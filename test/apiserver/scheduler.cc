#include "test/apiserver/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "test/apiserver/fields.h"
#include "test/apiserver/pools.h"
#include "test/apiserver/schema.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

Response Unschedulable(std::string_view why) { return Refuse(422, "Unschedulable", why); }

bool Tainted(const json& device) {
  return std::ranges::any_of(List(device, "taints"),
                             [](const json& taint) { return Text(taint, "effect") != "None"; });
}

bool HasAttributes(const json& device, const json& wanted) {
  return std::ranges::all_of(wanted.items(), [&](const auto& want) {
    const json& attribute = At(Map(device, "attributes"), want.key());
    return attribute.is_object() && !attribute.empty() && attribute.front() == want.value();
  });
}

// One request against the pools, as far as it got.
class Picker {
 public:
  Picker(Api& api, const std::vector<Pool>& pools, InUse& in_use)
      : api_(api), pools_(pools), in_use_(in_use) {}

  // Empty when all went well, else why not.
  std::string Pick(const json& request, json& results) {
    const int64_t count = Number(request, "count", 1);
    const bool all = True(request, "all");
    int64_t found = 0, suitable = 0;
    std::string why;
    for (const Pool& pool : pools_) {
      if (!Matches(request, "driver", pool.driver) || !Matches(request, "pool", pool.name))
        continue;
      if (!pool.invalid.empty()) {
        why = fmt::format("; pool {}: {}", pool.name, pool.invalid);
        if (all) return fmt::format("request {}{}", Text(request, "name"), why);
        continue;
      }
      for (const PooledDevice& device : pool.devices) {
        if (!Suits(request, device)) continue;
        ++suitable;
        // One shared device may serve the same request more than once.
        while ((all || found < count) && TakeOne(request, pool, device, results)) {
          ++found;
          if (all || !device.shared()) break;
        }
      }
    }
    const int64_t wanted = all ? std::max<int64_t>(suitable, 1) : count;
    if (found >= wanted) return "";
    return fmt::format("request {}: {} of {} devices are free, of {} that match{}",
                       Text(request, "name"), found, wanted, suitable, why);
  }

 private:
  static bool Matches(const json& request, std::string_view field, const std::string& value) {
    return !Has(request, field) || Text(request, field) == value;
  }
  static bool Suits(const json& request, const PooledDevice& device) {
    return Matches(request, "device", device.name()) &&
           (True(request, "tolerate") || !Tainted(*device.device)) &&
           HasAttributes(*device.device, Map(request, "attributes"));
  }

  bool TakeOne(const json& request, const Pool& pool, const PooledDevice& device, json& results) {
    const bool admin = True(request, "adminAccess");
    json consumed;
    // An exclusive device is given once, also to an admin.
    for (const json& result : results) {
      const bool same = Text(result, "pool") == pool.name &&
                        Text(result, "driver") == pool.driver &&
                        Text(result, "device") == device.name();
      if (same && !device.shared()) return false;
    }
    if (!in_use_.Take(pool, device, Map(request, "capacity"), admin, consumed)) return false;
    json result = {{"request", Text(request, "name")},
                   {"driver", pool.driver},
                   {"pool", pool.name},
                   {"device", device.name()}};
    if (admin) result["adminAccess"] = true;
    if (!consumed.is_null()) {
      result["shareID"] = api_.NewUid();
      result["consumedCapacity"] = std::move(consumed);
    }
    for (const auto field : {"bindingConditions", "bindingFailureConditions"}) {
      if (Has(*device.device, field)) result[field] = At(*device.device, field);
    }
    results.push_back(std::move(result));
    return true;
  }

  Api& api_;
  const std::vector<Pool>& pools_;
  InUse& in_use_;
};

// What the classes say comes before what the claim says.
json ConfigOf(Api& api, const json& wanted, const json& claim) {
  json config = json::array();
  for (const json& request : List(wanted, "requests")) {
    const auto found = api.store().Find(ResourceOf("DeviceClass"), {"", Text(request, "class")});
    if (!found) continue;
    for (json entry : List(At(*found, "spec"), "config")) {
      if (!entry.is_object()) continue;
      entry["source"] = "FromClass";
      entry["requests"] = {Text(request, "name")};
      config.push_back(std::move(entry));
    }
  }
  for (json entry : List(At(At(claim, "spec"), "devices"), "config")) {
    if (!entry.is_object()) continue;
    entry["source"] = "FromClaim";
    config.push_back(std::move(entry));
  }
  for (const json& entry : List(wanted, "config")) config.push_back(entry);
  return config;
}

json NewClaim(Api& api, const Key& key) {
  return {{"metadata",
           {{"namespace", key.first},
            {"name", key.second},
            {"uid", api.NewUid()},
            {"creationTimestamp", FormatTime(api.Now())}}},
          {"spec", json::object()}};
}

json AllocationOf(Api& api, const json& wanted, const json& claim, json results) {
  json allocation = {{"devices", {{"results", std::move(results)}}}};
  if (json config = ConfigOf(api, wanted, claim); !config.empty()) {
    allocation["devices"]["config"] = std::move(config);
  }
  if (Has(wanted, "node")) {
    allocation["nodeSelector"] = {{"nodeSelectorTerms",
                                   {{{"matchFields",
                                      {{{"key", "metadata.name"},
                                        {"operator", "In"},
                                        {"values", {Text(wanted, "node")}}}}}}}}};
  }
  if (api.gates().On("DRADeviceBindingConditions")) {
    allocation["allocationTimestamp"] = FormatTime(api.Now());
  }
  return allocation;
}

}  // namespace

Response Allocate(Api& api, std::string_view body) {
  const json wanted = json::parse(body, nullptr, false);
  const Key key{Text(wanted, "namespace"), Text(wanted, "name")};
  if (key.first.empty() || key.second.empty() || List(wanted, "requests").empty()) {
    return BadRequest("an allocation needs namespace, name and requests");
  }
  const Resource& claims = ResourceOf("ResourceClaim");
  const Object old = api.store().Find(claims, key);
  json claim = old ? *old : NewClaim(api, key);
  if (Has(At(claim, "status"), "allocation")) {
    return Unschedulable("the claim is allocated already; deallocate it first");
  }
  const auto pools = PoolsOf(api.store().All(ResourceOf("ResourceSlice")), Text(wanted, "node"),
                             api.gates().minor());
  InUse in_use(api.store().All(claims), pools);
  json results = json::array();
  Picker picker(api, pools, in_use);
  for (const json& request : List(wanted, "requests")) {
    if (auto why = picker.Pick(request, results); !why.empty()) return Unschedulable(why);
  }
  claim["status"]["allocation"] = AllocationOf(api, wanted, claim, std::move(results));
  if (Has(wanted, "reservedFor")) claim["status"]["reservedFor"] = At(wanted, "reservedFor");
  for (const auto& [name, value] : Map(wanted, "annotations").items()) {
    claim["metadata"]["annotations"][name] = value;
  }
  api.Write(claims, key, std::move(claim));
  return Ok(*api.store().Find(claims, key));
}

Response Deallocate(Api& api, std::string_view body) {
  const json wanted = json::parse(body, nullptr, false);
  const Key key{Text(wanted, "namespace"), Text(wanted, "name")};
  const Resource& claims = ResourceOf("ResourceClaim");
  const Object old = api.store().Find(claims, key);
  if (!old) return NotFound(claims.Name(key.second));
  json claim = *old;
  claim.erase("status");
  api.Write(claims, key, std::move(claim));
  return Ok(*api.store().Find(claims, key));
}

}  // namespace drapci::apiserver
