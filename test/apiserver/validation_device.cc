#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "test/apiserver/fields.h"
#include "test/apiserver/names.h"
#include "test/apiserver/quantity.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

constexpr std::pair<std::string_view, std::string_view> kLists[] = {
    {"ints", "int"}, {"bools", "bool"}, {"strings", "string"}, {"versions", "version"}};

void CheckScalar(const std::string& path, std::string_view kind, const json& value,
                 Causes& causes) {
  if (kind != "string" && kind != "version") return;
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text.size() > 64) {
    causes.TooLong(path, 64);
  } else if (kind == "version") {
    if (auto wrong = WrongVersion(text); !wrong.empty()) causes.Invalid(path, text, wrong);
  }
}

// The number of values that the attribute has.
size_t CheckAttribute(const std::string& path, const json& attribute, Causes& causes) {
  size_t kinds = 0, values = 0;
  for (const auto& [list, scalar] : kLists) {
    if (Has(attribute, scalar)) {
      ++kinds, ++values;
      CheckScalar(fmt::format("{}.{}", path, scalar), scalar, At(attribute, scalar), causes);
    }
    if (!Has(attribute, list)) continue;
    ++kinds;
    const json& items = List(attribute, list);
    if (items.empty()) causes.Required(fmt::format("{}.{}", path, list), "must not be empty");
    for (size_t i = 0; i < items.size(); ++i, ++values) {
      CheckScalar(fmt::format("{}.{}[{}]", path, list, i), scalar, items[i], causes);
    }
  }
  if (kinds == 0) causes.Required(path, "exactly one value must be specified");
  if (kinds > 1) {
    causes.Invalid(path, fmt::format("{} values", kinds), "exactly one value must be specified");
  }
  return values;
}

void CheckQualifiedName(const std::string& path, const std::string& name, Causes& causes) {
  if (auto wrong = WrongQualifiedName(name); !wrong.empty()) causes.Invalid(path, name, wrong);
}

void CheckAttributes(const Gates& gates, const std::string& path, const json& device,
                     Causes& causes) {
  const json& attributes = Map(device, "attributes");
  const size_t keys = attributes.size() + Map(device, "capacity").size();
  if (keys > 32) causes.TooMany(path, keys, 32);
  size_t values = 0;
  for (const auto& [name, attribute] : attributes.items()) {
    const std::string where = fmt::format("{}.attributes[{}]", path, name);
    CheckQualifiedName(where, name, causes);
    values += CheckAttribute(where, attribute, causes);
  }
  if (gates.minor() >= 36 && values > 48) causes.TooMany(path + ".attributes", values, 48);
}

void CheckConsumed(const Gates& gates, const std::string& path, const json& device,
                   Causes& causes) {
  const json& consumed = List(device, "consumesCounters");
  if (gates.minor() > 34 && consumed.size() > 2) {
    causes.TooMany(path + ".consumesCounters", consumed.size(), 2);
  }
  std::set<std::string> sets;
  size_t all = 0;
  for (size_t i = 0; i < consumed.size(); ++i) {
    const std::string where = fmt::format("{}.consumesCounters[{}]", path, i);
    const std::string set = Text(consumed[i], "counterSet");
    if (set.empty()) {
      causes.Required(where + ".counterSet");
    } else if (!sets.insert(set).second) {
      causes.Duplicate(where + ".counterSet", set);
    }
    CheckCounters(where, consumed[i], 32, causes);
    all += Map(consumed[i], "counters").size();
  }
  if (gates.minor() == 34 && all > 32) causes.TooMany(path + ".consumesCounters", all, 32);
}

void CheckTaints(const Gates& gates, const std::string& path, const json& device, Causes& causes) {
  const json& taints = List(device, "taints");
  const size_t most = gates.minor() == 34 ? 4 : 16;
  if (taints.size() > most) causes.TooMany(path + ".taints", taints.size(), most);
  for (size_t i = 0; i < taints.size(); ++i) {
    const std::string where = fmt::format("{}.taints[{}]", path, i);
    const std::string key = Text(taints[i], "key"), value = Text(taints[i], "value");
    const std::string effect = Text(taints[i], "effect");
    if (auto wrong = WrongLabelKey(key); !wrong.empty()) causes.Invalid(where + ".key", key, wrong);
    if (auto wrong = WrongLabelValue(value); !wrong.empty()) {
      causes.Invalid(where + ".value", value, wrong);
    }
    const bool none = effect == "None" && gates.minor() >= 35;
    if (effect.empty()) {
      causes.Required(where + ".effect");
    } else if (effect != "NoSchedule" && effect != "NoExecute" && !none) {
      causes.NotSupported(where + ".effect", effect, "\"NoExecute\", \"NoSchedule\"");
    }
  }
}

void CheckConditionNames(const std::string& path, const json& names, std::set<std::string>& seen,
                         Causes& causes) {
  if (names.size() > 4) causes.TooMany(path, names.size(), 4);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", path, i);
    const std::string name = names[i].get<std::string>();
    if (auto wrong = WrongLabelKey(name); !wrong.empty()) causes.Invalid(where, name, wrong);
    if (!seen.insert(name).second) causes.Duplicate(where, name);
  }
}

void CheckBinding(const std::string& path, const json& device, Causes& causes) {
  std::set<std::string> seen;
  const json& conditions = List(device, "bindingConditions");
  const json& failures = List(device, "bindingFailureConditions");
  CheckConditionNames(path + ".bindingConditions", conditions, seen, causes);
  CheckConditionNames(path + ".bindingFailureConditions", failures, seen, causes);
  if (conditions.empty() != failures.empty()) {
    causes.Invalid(path + (conditions.empty() ? ".bindingConditions" : ".bindingFailureConditions"),
                   "", "bindingConditions and bindingFailureConditions must be given together");
  }
}

void CheckDeviceNodes(const std::string& path, bool per_device, const json& device,
                      Causes& causes) {
  int ways = 0;
  for (const auto field : {"nodeName", "nodeSelector", "allNodes"}) {
    if (!Has(device, field)) continue;
    ++ways;
    if (!per_device) {
      causes.Forbidden(fmt::format("{}.{}", path, field),
                       "may only be set together with perDeviceNodeSelection");
    }
  }
  if (Has(device, "nodeSelector")) {
    CheckNodeSelector(path + ".nodeSelector", At(device, "nodeSelector"), causes);
  }
  if (per_device && ways != 1) {
    causes.Required(path,
                    "exactly one of `nodeName`, `nodeSelector`, `allNodes` is required when "
                    "`perDeviceNodeSelection` is set");
  }
}

}  // namespace

void CheckCounters(const std::string& path, const json& holder, size_t most, Causes& causes) {
  const json& counters = Map(holder, "counters");
  if (counters.empty()) causes.Required(path + ".counters");
  if (counters.size() > most) causes.TooMany(path + ".counters", counters.size(), most);
  for (const auto& [name, counter] : counters.items()) {
    if (auto wrong = WrongLabel(name); !wrong.empty()) {
      causes.Invalid(path + ".counters", name, wrong);
    }
    if (!Has(counter, "value")) {
      causes.Required(fmt::format("{}.counters[{}].value", path, name));
    }
  }
}

void CheckDevice(const Gates& gates, const std::string& path, bool per_device_nodes,
                 const json& device, Causes& causes) {
  if (const std::string name = Text(device, "name"); name.empty()) {
    causes.Required(path + ".name");
  } else if (auto wrong = WrongLabel(name); !wrong.empty()) {
    causes.Invalid(path + ".name", name, wrong);
  }
  CheckAttributes(gates, path, device, causes);
  for (const auto& [name, capacity] : Map(device, "capacity").items()) {
    const std::string where = fmt::format("{}.capacity[{}]", path, name);
    CheckQualifiedName(where, name, causes);
    CheckCapacity(gates, where, True(device, "allowMultipleAllocations"), capacity, causes);
  }
  CheckConsumed(gates, path, device, causes);
  CheckTaints(gates, path, device, causes);
  CheckBinding(path, device, causes);
  CheckDeviceNodes(path, per_device_nodes, device, causes);
}

}  // namespace drapci::apiserver
