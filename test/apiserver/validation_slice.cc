#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "test/apiserver/fields.h"
#include "test/apiserver/names.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

void CheckImmutable(const json& old, const json& spec, Causes& causes) {
  if (old.is_null()) return;
  const json& before = At(old, "spec");
  for (const auto field : {"driver", "nodeName"}) {
    if (At(before, field) != At(spec, field)) {
      causes.Invalid(fmt::format("spec.{}", field), Text(spec, field), "field is immutable");
    }
  }
  if (Text(At(before, "pool"), "name") != Text(At(spec, "pool"), "name")) {
    causes.Invalid("spec.pool.name", Text(At(spec, "pool"), "name"), "field is immutable");
  }
}

void CheckPool(const json& pool, Causes& causes) {
  const std::string name = Text(pool, "name");
  if (name.empty()) {
    causes.Required("spec.pool.name");
  } else if (auto wrong = WrongPoolName(name); !wrong.empty()) {
    causes.Invalid("spec.pool.name", name, wrong);
  }
  if (const int64_t count = Number(pool, "resourceSliceCount"); count <= 0) {
    causes.Invalid("spec.pool.resourceSliceCount", std::to_string(count),
                   "must be greater than zero");
  }
  if (const int64_t generation = Number(pool, "generation"); generation < 0) {
    causes.Invalid("spec.pool.generation", std::to_string(generation),
                   "must be greater than or equal to zero");
  }
}

void CheckNodes(const json& spec, Causes& causes) {
  int ways = 0;
  if (Has(spec, "nodeName")) {
    ++ways;
    const std::string name = Text(spec, "nodeName");
    if (name.empty()) {
      causes.Invalid("spec.nodeName", name, "must be either unset or set to a non-empty string");
    } else if (auto wrong = WrongSubdomain(name); !wrong.empty()) {
      causes.Invalid("spec.nodeName", name, wrong);
    }
  }
  if (Has(spec, "nodeSelector")) {
    ++ways;
    CheckNodeSelector("spec.nodeSelector", At(spec, "nodeSelector"), causes);
  }
  for (const auto field : {"allNodes", "perDeviceNodeSelection"}) {
    if (!Has(spec, field)) continue;
    ++ways;
    if (!True(spec, field)) {
      causes.Invalid(fmt::format("spec.{}", field), "false", "must be either unset or set to true");
    }
  }
  if (ways == 1) return;
  const auto what =
      "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  if (ways == 0) {
    causes.Required("spec", what);
  } else {
    causes.Invalid("spec", fmt::format("{} of them", ways), what);
  }
}

// Of 1.34: counters lie beside the devices, and references stay within the slice.
void CheckCounterReferences(const json& spec, Causes& causes) {
  const json& devices = List(spec, "devices");
  size_t all = 0;
  for (size_t i = 0; i < devices.size(); ++i) {
    const json& consumes = List(devices[i], "consumesCounters");
    for (size_t j = 0; j < consumes.size(); ++j) {
      all += Map(consumes[j], "counters").size();
      const std::string path = fmt::format("spec.devices[{}].consumesCounters[{}]", i, j);
      const std::string set = Text(consumes[j], "counterSet");
      const auto found = std::ranges::find_if(
          List(spec, "sharedCounters"), [&](const json& s) { return Text(s, "name") == set; });
      if (found == List(spec, "sharedCounters").end()) {
        causes.Invalid(path + ".counterSet", set,
                       "must reference a counterSet defined in the "
                       "ResourceSlice sharedCounters");
        continue;
      }
      for (const auto& [name, counter] : Map(consumes[j], "counters").items()) {
        if (!Has(Map(*found, "counters"), name)) {
          causes.Invalid(path + ".counters", name,
                         "must reference a counter defined in the counter set " + set);
        }
      }
    }
  }
  if (all > 1024) causes.TooMany("spec.devices", all, 1024);
}

void CheckSharedCounters(const Gates& gates, const json& spec, Causes& causes) {
  const json& sets = List(spec, "sharedCounters");
  std::set<std::string> names;
  size_t all = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    const std::string path = fmt::format("spec.sharedCounters[{}]", i);
    const std::string name = Text(sets[i], "name");
    if (name.empty()) {
      causes.Required(path + ".name");
    } else if (auto wrong = WrongLabel(name); !wrong.empty()) {
      causes.Invalid(path + ".name", name, wrong);
    } else if (!names.insert(name).second) {
      causes.Duplicate(path + ".name", name);
    }
    CheckCounters(path, sets[i], 32, causes);
    all += Map(sets[i], "counters").size();
  }
  if (gates.minor() == 34) {
    if (all > 32) causes.TooMany("spec.sharedCounters", all, 32);
    return;
  }
  if (sets.size() > 8) causes.TooMany("spec.sharedCounters", sets.size(), 8);
  if (Has(spec, "devices") && Has(spec, "sharedCounters")) {
    causes.Invalid("spec", "devices, sharedCounters",
                   "exactly one of `sharedCounters` and `devices` is allowed");
  }
}

void CheckSkippedOperations(const json& spec, Causes& causes) {
  const json& skipped = List(spec, "skipNodeOperations");
  std::set<std::string> names;
  for (size_t i = 0; i < skipped.size(); ++i) {
    const std::string path = fmt::format("spec.skipNodeOperations[{}]", i);
    const std::string name = skipped[i].get<std::string>();
    if (name != "NodePrepareResources" && name != "NodeUnprepareResources" && name != "*") {
      causes.NotSupported(path, name,
                          "\"*\", \"NodePrepareResources\", \"NodeUnprepareResources\"");
    } else if (!names.insert(name).second) {
      causes.Duplicate(path, name);
    }
  }
  if (names.contains("NodePrepareResources") && !names.contains("NodeUnprepareResources") &&
      !names.contains("*")) {
    causes.Invalid("spec.skipNodeOperations", "NodePrepareResources",
                   "skipping it requires skipping NodeUnprepareResources");
  }
}

void CheckDevices(const Gates& gates, const json& spec, Causes& causes) {
  const json& devices = List(spec, "devices");
  if (const size_t most = DeviceLimit(gates, devices); devices.size() > most) {
    causes.TooMany("spec.devices", devices.size(), most);
  }
  std::set<std::string> names;
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string path = fmt::format("spec.devices[{}]", i);
    const std::string name = Text(devices[i], "name");
    if (!name.empty() && !names.insert(name).second) causes.Duplicate(path + ".name", name);
    CheckDevice(gates, path, True(spec, "perDeviceNodeSelection"), devices[i], causes);
  }
}

}  // namespace

void CheckNodeSelector(const std::string& path, const json& selector, Causes& causes) {
  const size_t terms = List(selector, "nodeSelectorTerms").size();
  if (terms != 1) {
    causes.Invalid(path + ".nodeSelectorTerms", fmt::format("{} terms", terms),
                   "must have exactly one node selector term");
  }
}

size_t DeviceLimit(const Gates& gates, const json& devices) {
  if (gates.minor() == 34) return 128;
  for (const json& device : devices) {
    if (!List(device, "taints").empty() || !List(device, "consumesCounters").empty()) return 64;
    for (const json& attribute : Map(device, "attributes")) {
      for (const auto list : {"ints", "bools", "strings", "versions"}) {
        if (Has(attribute, list)) return 64;
      }
    }
  }
  return 128;
}

void CheckMetadata(const json& object, bool namespaced, Causes& causes) {
  const json& metadata = At(object, "metadata");
  if (const std::string name = Text(metadata, "name"); name.empty()) {
    causes.Required("metadata.name", "name or generateName is required");
  } else if (auto wrong = WrongSubdomain(name); !wrong.empty()) {
    causes.Invalid("metadata.name", name, wrong);
  }
  if (namespaced == Text(metadata, "namespace").empty()) {
    if (namespaced) {
      causes.Required("metadata.namespace");
    } else {
      causes.Forbidden("metadata.namespace", "not allowed on this type");
    }
  }
  for (const auto& [key, value] : Map(metadata, "labels").items()) {
    if (auto wrong = WrongLabelKey(key); !wrong.empty()) {
      causes.Invalid("metadata.labels", key, wrong);
    }
    if (auto wrong = WrongLabelValue(Text(Map(metadata, "labels"), key)); !wrong.empty()) {
      causes.Invalid("metadata.labels", value.dump(), wrong);
    }
  }
  const json& owners = List(metadata, "ownerReferences");
  for (size_t i = 0; i < owners.size(); ++i) {
    for (const auto field : {"apiVersion", "kind", "name", "uid"}) {
      if (Text(owners[i], field).empty()) {
        causes.Invalid(fmt::format("metadata.ownerReferences[{}].{}", i, field), "",
                       "must not be empty");
      }
    }
  }
}

void CheckSlice(const Gates& gates, const json& old, const json& slice, Causes& causes) {
  CheckMetadata(slice, false, causes);
  const json& spec = At(slice, "spec");
  CheckImmutable(old, spec, causes);
  const std::string driver = Text(spec, "driver");
  if (driver.empty()) {
    causes.Required("spec.driver");
  } else if (auto wrong = WrongDriverName(driver); !wrong.empty()) {
    causes.Invalid("spec.driver", driver, wrong);
  }
  CheckPool(At(spec, "pool"), causes);
  CheckNodes(spec, causes);
  CheckSharedCounters(gates, spec, causes);
  CheckDevices(gates, spec, causes);
  if (gates.minor() == 34) CheckCounterReferences(spec, causes);
  CheckSkippedOperations(spec, causes);
  if (const std::string type = Text(spec, "partitionTypeAttribute"); !type.empty()) {
    if (type.find('/') == type.npos || !WrongQualifiedName(type).empty()) {
      causes.Invalid("spec.partitionTypeAttribute", type, "must be a fully qualified name");
    }
  }
}

}  // namespace drapci::apiserver
