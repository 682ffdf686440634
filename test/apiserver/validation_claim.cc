#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "test/apiserver/fields.h"
#include "test/apiserver/names.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

constexpr size_t kMostData = 10 * 1024;

using Key = std::tuple<std::string, std::string, std::string, std::string>;

Key KeyOf(const json& device) {
  return {Text(device, "driver"), Text(device, "pool"), Text(device, "device"),
          Text(device, "shareID")};
}

std::set<Key> Allocated(const json& claim) {
  std::set<Key> keys;
  const json& devices = At(At(At(claim, "status"), "allocation"), "devices");
  for (const json& result : List(devices, "results")) keys.insert(KeyOf(result));
  return keys;
}

void CheckCondition(const std::string& path, const json& condition, Causes& causes) {
  const std::string type = Text(condition, "type"), status = Text(condition, "status");
  const std::string reason = Text(condition, "reason");
  if (type.empty()) {
    causes.Required(path + ".type");
  } else if (auto wrong = WrongLabelKey(type); !wrong.empty()) {
    causes.Invalid(path + ".type", type, wrong);
  }
  if (status != "True" && status != "False" && status != "Unknown") {
    causes.NotSupported(path + ".status", status, "\"False\", \"True\", \"Unknown\"");
  }
  if (Number(condition, "observedGeneration") < 0) {
    causes.Invalid(path + ".observedGeneration", At(condition, "observedGeneration").dump(),
                   "must be greater than or equal to zero");
  }
  if (!Has(condition, "lastTransitionTime")) {
    causes.Required(path + ".lastTransitionTime", "must be set");
  }
  if (reason.empty()) {
    causes.Required(path + ".reason", "must be set");
  } else if (auto wrong = WrongReason(reason); !wrong.empty()) {
    causes.Invalid(path + ".reason", reason, wrong);
  }
  if (!Has(condition, "message")) causes.Required(path + ".message");
  if (Text(condition, "message").size() > 32768) causes.TooLong(path + ".message", 32768);
}

void CheckNetwork(const std::string& path, const json& network, Causes& causes) {
  if (Text(network, "interfaceName").size() > 256) causes.TooLong(path + ".interfaceName", 256);
  if (Text(network, "hardwareAddress").size() > 128) causes.TooLong(path + ".hardwareAddress", 128);
  const json& ips = List(network, "ips");
  if (ips.size() > 16) causes.TooMany(path + ".ips", ips.size(), 16);
  std::set<std::string> seen;
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string where = fmt::format("{}.ips[{}]", path, i), ip = ips[i].get<std::string>();
    if (auto wrong = WrongInterfaceAddress(ip); !wrong.empty()) causes.Invalid(where, ip, wrong);
    if (!seen.insert(ip).second) causes.Duplicate(where, ip);
  }
}

void CheckDeviceStatus(const std::string& path, const json& device, const std::set<Key>& allocated,
                       Causes& causes) {
  for (const auto field : {"driver", "pool", "device"}) {
    if (Text(device, field).empty()) causes.Required(fmt::format("{}.{}", path, field));
  }
  if (Has(device, "shareID")) {
    if (auto wrong = WrongUuid(Text(device, "shareID")); !wrong.empty()) {
      causes.Invalid(path + ".shareID", Text(device, "shareID"), wrong);
    }
  }
  if (!allocated.contains(KeyOf(device))) {
    causes.Invalid(path,
                   fmt::format("{}/{}/{}{}{}", Text(device, "driver"), Text(device, "pool"),
                               Text(device, "device"), Has(device, "shareID") ? "/" : "",
                               Text(device, "shareID")),
                   "must be an allocated device in the claim");
  }
  const json& conditions = List(device, "conditions");
  if (conditions.size() > 8) causes.TooMany(path + ".conditions", conditions.size(), 8);
  std::set<std::string> types;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string where = fmt::format("{}.conditions[{}]", path, i);
    CheckCondition(where, conditions[i], causes);
    if (!types.insert(Text(conditions[i], "type")).second) {
      causes.Duplicate(where + ".type", Text(conditions[i], "type"));
    }
  }
  if (Has(device, "data")) {
    if (!At(device, "data").is_object()) {
      causes.Invalid(path + ".data", "<value omitted>", "parameters must be a valid JSON object");
    }
    if (Dump(At(device, "data")).size() > kMostData) causes.TooLong(path + ".data", kMostData);
  }
  CheckNetwork(path + ".networkData", At(device, "networkData"), causes);
}

void CheckAllocation(const json& old, const json& status, Causes& causes) {
  const json& allocation = At(status, "allocation");
  const json& before = At(At(old, "status"), "allocation");
  if (!before.is_null() && !allocation.is_null() && before != allocation) {
    causes.Invalid("status.allocation", "<value omitted>", "field is immutable");
  }
  const json& results = List(At(allocation, "devices"), "results");
  if (results.size() > 32) causes.TooMany("status.allocation.devices.results", results.size(), 32);
  for (size_t i = 0; i < results.size(); ++i) {
    for (const auto field : {"request", "driver", "pool", "device"}) {
      if (Text(results[i], field).empty()) {
        causes.Required(fmt::format("status.allocation.devices.results[{}].{}", i, field));
      }
    }
  }
  const size_t configs = List(At(allocation, "devices"), "config").size();
  if (configs > 64) causes.TooMany("status.allocation.devices.config", configs, 64);
  const size_t users = List(status, "reservedFor").size();
  if (users > 256) causes.TooMany("status.reservedFor", users, 256);
  if (users > 0 && allocation.is_null()) {
    causes.Forbidden("status.reservedFor", "may not be specified when `allocated` is not set");
  }
}

}  // namespace

void CheckClaimStatus(const json& old, const json& claim, Causes& causes) {
  const json& status = At(claim, "status");
  CheckAllocation(old, status, causes);
  const std::set<Key> allocated = Allocated(claim);
  std::set<Key> seen;
  const json& devices = List(status, "devices");
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string path = fmt::format("status.devices[{}]", i);
    if (!seen.insert(KeyOf(devices[i])).second) {
      causes.Duplicate(path, Text(devices[i], "device"));
    }
    CheckDeviceStatus(path, devices[i], allocated, causes);
  }
}

}  // namespace drapci::apiserver
