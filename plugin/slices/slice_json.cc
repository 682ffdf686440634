// ResourceSlices as JSON and back.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "plugin/json.h"
#include "plugin/quantity.h"
#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;  // written in the order that people read

// The API server cuts generateName to this before it adds five characters of its own.
constexpr size_t kMaxNameBase = 58;
// What stands for a quantity that is no whole number: no wanted value is equal to it.
constexpr int64_t kNoWholeNumber = std::numeric_limits<int64_t>::min();

template <class Json>
std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// ---- Encoding ----

std::string Quantity(int64_t value) {
  return FormatQuantity(value, value > 0 && value % (1 << 20) == 0);
}

Ordered Counters(const std::map<std::string, int64_t>& counters) {
  Ordered out = Ordered::object();
  for (const auto& [name, value] : counters) out[name] = {{"value", Quantity(value)}};
  return out;
}

Ordered EncodeCapacity(const Capacity& capacity) {
  Ordered out{{"value", Quantity(capacity.value)}};
  if (!capacity.policy) return out;
  const RequestPolicy& policy = *capacity.policy;
  Ordered range{{"min", Quantity(policy.min)}};
  if (policy.max) range["max"] = Quantity(*policy.max);
  if (policy.step != 0) range["step"] = Quantity(policy.step);
  out["requestPolicy"] = {{"default", Quantity(policy.default_value)}, {"validRange", range}};
  return out;
}

struct EncodeAttribute {
  Ordered operator()(bool value) const { return {{"bool", value}}; }
  Ordered operator()(int64_t value) const { return {{"int", value}}; }
  Ordered operator()(const std::string& value) const { return {{"string", value}}; }
  Ordered operator()(const Version& value) const { return {{"version", value.text}}; }
};

Ordered EncodeTaint(const Taint& taint) {
  Ordered out{{"key", taint.key}};
  if (!taint.value.empty()) out["value"] = taint.value;
  out["effect"] = taint.effect;
  if (!taint.time_added.empty()) out["timeAdded"] = taint.time_added;
  return out;
}

// Empty lists are left out: the server looks at the presence of some.
Ordered EncodeDevice(const SliceDevice& device) {
  Ordered out{{"name", device.name}};
  for (const auto& [name, value] : device.attributes) {
    out["attributes"][name] = std::visit(EncodeAttribute(), value);
  }
  for (const auto& [name, capacity] : device.capacity) {
    out["capacity"][name] = EncodeCapacity(capacity);
  }
  for (const CounterConsumption& from : device.consumes) {
    out["consumesCounters"].push_back(
        {{"counterSet", from.counter_set}, {"counters", Counters(from.counters)}});
  }
  for (const Taint& taint : device.taints) out["taints"].push_back(EncodeTaint(taint));
  if (device.allow_multiple_allocations) out["allowMultipleAllocations"] = true;
  if (device.binds_to_node) out["bindsToNode"] = true;
  if (!device.binding_conditions.empty()) out["bindingConditions"] = device.binding_conditions;
  if (!device.binding_failure_conditions.empty()) {
    out["bindingFailureConditions"] = device.binding_failure_conditions;
  }
  return out;
}

std::string NameBase(size_t index, const Owner& owner) {
  std::string base = fmt::format("{:05x}-{}-{}-", index, owner.driver_name, owner.node_name);
  if (base.size() <= kMaxNameBase) return base;
  base.resize(kMaxNameBase - 1);
  while (base.ends_with('-') || base.ends_with('.')) base.pop_back();
  return base + "-";
}

// The node as the owner, so that the slices go when it goes; other owners stay.
void SetOwner(const Owner& owner, Ordered& metadata) {
  if (owner.node_uid.empty()) return;
  Ordered references = Ordered::array();
  if (const auto old = metadata.find("ownerReferences"); old != metadata.end() && old->is_array()) {
    for (const Ordered& each : *old) {
      const bool ours = each.is_object() && each.value("kind", Ordered()) == "Node" &&
                        each.value("name", Ordered()) == owner.node_name;
      if (!ours) references.push_back(each);
    }
  }
  references.push_back({{"apiVersion", "v1"},
                        {"kind", "Node"},
                        {"name", owner.node_name},
                        {"uid", owner.node_uid},
                        {"controller", true}});
  metadata["ownerReferences"] = std::move(references);
}

// ---- Decoding: what cannot be told is `foreign`, since nothing that is published looks so ----

const json* Member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string Text(const json& object, const char* name) {
  const json* value = Member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<int64_t> Integer(const json* value) {
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  if (value->is_number_unsigned() &&
      value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return std::nullopt;
  }
  return value->get<int64_t>();
}

class Decoder {
 public:
  bool foreign = false;

  SliceContent Content(const json& spec) {
    for (const char* field : {"nodeSelector", "allNodes", "perDeviceNodeSelection",
                              "partitionTypeAttribute", "skipNodeOperations"}) {
      Unknown(Member(spec, field) != nullptr);
    }
    SliceContent content;
    for (const json& device : List(spec, "devices")) content.devices.push_back(Device(device));
    for (const json& set : List(spec, "sharedCounters")) {
      content.counter_sets.push_back({.name = Text(set, "name"), .counters = DecodeCounters(set)});
    }
    return content;
  }

 private:
  void Unknown(bool it_is) { foreign = foreign || it_is; }

  // The member, if it is of that type.
  const json* Of(const json& object, const char* name, json::value_t type) {
    const json* value = Member(object, name);
    if (value == nullptr || value->type() == type) return value;
    Unknown(true);
    return nullptr;
  }
  const json& List(const json& object, const char* name) {
    static const json kNone = json::array();
    const json* list = Of(object, name, json::value_t::array);
    return list == nullptr ? kNone : *list;
  }
  const json& Map(const json& object, const char* name) {
    static const json kNone = json::object();
    const json* map = Of(object, name, json::value_t::object);
    return map == nullptr ? kNone : *map;
  }
  bool Flag(const json& object, const char* name) {
    const json* value = Member(object, name);
    Unknown(value != nullptr && !value->is_boolean());
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }

  int64_t DecodeQuantity(const json* value) {
    if (value != nullptr && value->is_number_integer()) {
      const int64_t number = Integer(value).value_or(kNoWholeNumber);
      return number < 0 ? kNoWholeNumber : number;
    }
    if (value == nullptr || !value->is_string()) return kNoWholeNumber;
    const std::string& text = value->get_ref<const std::string&>();
    // The canonical form of a whole number that can be wanted has no small suffix, no fraction and
    // no minus; ParseQuantity would round the rest up.
    if (text.find_first_of(".num-") != std::string::npos) return kNoWholeNumber;
    return ParseQuantity(text).value_or(kNoWholeNumber);
  }

  std::map<std::string, int64_t> DecodeCounters(const json& object) {
    std::map<std::string, int64_t> counters;
    for (const auto& [name, counter] : Map(object, "counters").items()) {
      counters.emplace(name, DecodeQuantity(Member(counter, "value")));
    }
    return counters;
  }

  Capacity DecodeCapacity(const json& from) {
    Capacity capacity;
    capacity.value = DecodeQuantity(Member(from, "value"));
    const json* policy = Member(from, "requestPolicy");
    if (policy == nullptr) return capacity;
    const json* range = Member(*policy, "validRange");
    Unknown(Member(*policy, "validValues") != nullptr || range == nullptr);
    if (range == nullptr) return capacity;
    RequestPolicy& decoded = capacity.policy.emplace();
    decoded.default_value = DecodeQuantity(Member(*policy, "default"));
    decoded.min = DecodeQuantity(Member(*range, "min"));
    if (const json* step = Member(*range, "step")) decoded.step = DecodeQuantity(step);
    if (const json* max = Member(*range, "max")) decoded.max = DecodeQuantity(max);
    return capacity;
  }

  Attribute DecodeAttribute(const json& from) {
    if (from.is_object() && from.size() == 1) {
      const json& value = *from.begin();
      const std::string& kind = from.begin().key();
      if (kind == "bool" && value.is_boolean()) return value.get<bool>();
      if (kind == "string" && value.is_string()) return value.get<std::string>();
      if (kind == "version" && value.is_string()) return Version{value.get<std::string>()};
      if (const auto number = Integer(&value); kind == "int" && number) return *number;
    }
    Unknown(true);
    return false;
  }

  std::vector<std::string> Texts(const json& object, const char* name) {
    std::vector<std::string> texts;
    for (const json& each : List(object, name)) {
      Unknown(!each.is_string());
      if (each.is_string()) texts.push_back(each.get<std::string>());
    }
    return texts;
  }

  SliceDevice Device(const json& from) {
    SliceDevice device;
    device.name = Text(from, "name");
    for (const char* field : {"nodeName", "nodeSelector", "allNodes",
                              "nodeAllocatableResourceMappings", "nodeAllocatableResources"}) {
      Unknown(Member(from, field) != nullptr);
    }
    for (const auto& [name, value] : Map(from, "attributes").items()) {
      device.attributes.emplace(name, DecodeAttribute(value));
    }
    for (const auto& [name, value] : Map(from, "capacity").items()) {
      device.capacity.emplace(name, DecodeCapacity(value));
    }
    for (const json& each : List(from, "consumesCounters")) {
      device.consumes.push_back(
          {.counter_set = Text(each, "counterSet"), .counters = DecodeCounters(each)});
    }
    for (const json& each : List(from, "taints")) {
      device.taints.push_back({.key = Text(each, "key"),
                               .value = Text(each, "value"),
                               .effect = Text(each, "effect"),
                               .time_added = Text(each, "timeAdded")});
    }
    device.allow_multiple_allocations = Flag(from, "allowMultipleAllocations");
    device.binds_to_node = Flag(from, "bindsToNode");
    device.binding_conditions = Texts(from, "bindingConditions");
    device.binding_failure_conditions = Texts(from, "bindingFailureConditions");
    return device;
  }
};

}  // namespace

std::string EncodeSlice(const Owner& owner, const std::string& pool, int64_t generation,
                        size_t slice_count, size_t index, const SliceContent& content,
                        const StoredSlice* stored) {
  Ordered metadata = Ordered::object();
  if (stored != nullptr) {
    metadata = Ordered::parse(stored->metadata, nullptr, /*allow_exceptions=*/false);
    if (!metadata.is_object()) metadata = {{"name", stored->name}, {"uid", stored->uid}};
    metadata["resourceVersion"] = stored->resource_version;
  } else {
    metadata["generateName"] = NameBase(index, owner);
  }
  SetOwner(owner, metadata);
  Ordered spec{
      {"driver", owner.driver_name},
      {"nodeName", owner.node_name},
      {"pool", {{"name", pool}, {"generation", generation}, {"resourceSliceCount", slice_count}}}};
  for (const CounterSet& set : content.counter_sets) {
    spec["sharedCounters"].push_back({{"name", set.name}, {"counters", Counters(set.counters)}});
  }
  for (const SliceDevice& device : content.devices) spec["devices"].push_back(EncodeDevice(device));
  return Dump(Ordered{{"apiVersion", "resource.k8s.io/v1"},
                      {"kind", "ResourceSlice"},
                      {"metadata", std::move(metadata)},
                      {"spec", std::move(spec)}});
}

Result<StoredSlice> DecodeSlice(std::string_view text) {
  DRAPCI_TRY(json document, ParseJson(text));
  const JsonField root(document, "");
  DRAPCI_TRY(const std::string kind, root["kind"].Text());
  if (!kind.empty() && kind != "ResourceSlice") {
    return Fail(root["kind"].Wrong("must be ResourceSlice"));
  }
  DRAPCI_CHECK(root["metadata"].IsObject());
  DRAPCI_CHECK(root["spec"].IsObject());
  StoredSlice slice;
  DRAPCI_TRY(slice.name, root["metadata"]["name"].Name(253));
  DRAPCI_TRY(slice.uid, root["metadata"]["uid"].Text());
  DRAPCI_TRY(slice.resource_version, root["metadata"]["resourceVersion"].Text());
  DRAPCI_TRY(slice.driver, root["spec"]["driver"].Text());
  DRAPCI_TRY(slice.node, root["spec"]["nodeName"].Text());
  DRAPCI_TRY(slice.pool, root["spec"]["pool"]["name"].Text());
  if (slice.pool.empty()) return Fail(root["spec"]["pool"]["name"].Wrong("is missing"));
  const json& spec = document["spec"];
  Decoder decoder;
  slice.content = decoder.Content(spec);
  slice.generation = Integer(Member(spec["pool"], "generation")).value_or(0);
  slice.slice_count = Integer(Member(spec["pool"], "resourceSliceCount")).value_or(0);
  slice.foreign = decoder.foreign;
  json& metadata = document["metadata"];
  metadata.erase("managedFields");
  slice.metadata = Dump(metadata);
  return slice;
}

}  // namespace drapci::plugin::slices
