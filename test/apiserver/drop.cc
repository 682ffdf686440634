#include "test/apiserver/drop.h"

#include <algorithm>
#include <initializer_list>

#include "test/apiserver/fields.h"

namespace drapci::apiserver {
namespace {

using Names = std::initializer_list<std::string_view>;

bool AnyDeviceHas(const json& slice, Names fields) {
  return std::ranges::any_of(List(At(slice, "spec"), "devices"), [&](const json& device) {
    return std::ranges::any_of(fields, [&](auto field) { return Has(device, field); });
  });
}

void Remove(json& object, Names fields) {
  if (!object.is_object()) return;
  for (const auto field : fields) object.erase(std::string(field));
}

template <class F>
void ForEachDevice(json& slice, F change) {
  if (!List(At(slice, "spec"), "devices").empty()) {
    for (json& device : slice["spec"]["devices"]) change(device);
  }
}

void DropFromDevices(json& slice, Names fields) {
  ForEachDevice(slice, [&](json& device) { Remove(device, fields); });
}

void DropPartitions(json& slice) {
  Remove(slice["spec"], {"sharedCounters", "perDeviceNodeSelection"});
  DropFromDevices(slice, {"consumesCounters", "nodeName", "nodeSelector", "allNodes"});
}

void DropShares(json& slice) {
  ForEachDevice(slice, [](json& device) {
    Remove(device, {"allowMultipleAllocations"});
    if (!device.contains("capacity")) return;
    for (json& capacity : device["capacity"]) Remove(capacity, {"requestPolicy"});
  });
}

bool UsesLists(const json& slice) {
  for (const json& device : List(At(slice, "spec"), "devices")) {
    for (const json& attribute : Map(device, "attributes")) {
      for (const auto field : {"ints", "bools", "strings", "versions"}) {
        if (Has(attribute, field)) return true;
      }
    }
  }
  return false;
}

void DropLists(json& slice) {
  ForEachDevice(slice, [](json& device) {
    if (!device.contains("attributes")) return;
    for (json& attribute : device["attributes"]) {
      Remove(attribute, {"ints", "bools", "strings", "versions"});
    }
  });
}

bool UsesPartitions(const json& slice) {
  const json& spec = At(slice, "spec");
  return Has(spec, "sharedCounters") || Has(spec, "perDeviceNodeSelection") ||
         AnyDeviceHas(slice, {"consumesCounters"});
}

bool AnyResultHas(const json& claim, Names fields) {
  const json& devices = At(At(At(claim, "status"), "allocation"), "devices");
  return std::ranges::any_of(List(devices, "results"), [&](const json& result) {
    return std::ranges::any_of(fields, [&](auto field) { return Has(result, field); });
  });
}

void DropFromResults(json& claim, Names fields) {
  const json& devices = At(At(At(claim, "status"), "allocation"), "devices");
  if (List(devices, "results").empty()) return;
  for (json& result : claim["status"]["allocation"]["devices"]["results"]) Remove(result, fields);
}

}  // namespace

void DropFromSlice(const Gates& gates, const json& old, json& slice) {
  if (!At(slice, "spec").is_object()) return;
  if (!gates.On("DRADeviceTaints") && !AnyDeviceHas(old, {"taints"})) {
    DropFromDevices(slice, {"taints"});
  }
  if (!gates.On("DRAPartitionableDevices") && !UsesPartitions(old)) DropPartitions(slice);
  const bool binding =
      gates.On("DRADeviceBindingConditions") && gates.On("DRAResourceClaimDeviceStatus");
  const Names binding_fields = {"bindsToNode", "bindingConditions", "bindingFailureConditions"};
  if (!binding && !AnyDeviceHas(old, binding_fields)) DropFromDevices(slice, binding_fields);
  if (!gates.On("DRAConsumableCapacity") && !AnyDeviceHas(old, {"allowMultipleAllocations"})) {
    DropShares(slice);
  }
  if (!gates.On("DRAListTypeAttributes") && !UsesLists(old)) DropLists(slice);
  const Names node_fields = {"nodeAllocatableResources", "nodeAllocatableResourceMappings"};
  if (!gates.On("DRANodeAllocatableResources") && !AnyDeviceHas(old, node_fields)) {
    DropFromDevices(slice, node_fields);
  }
  const json& old_spec = At(old, "spec");
  if (!gates.On("DRAOptionalNodeOperations") && !Has(old_spec, "skipNodeOperations")) {
    Remove(slice["spec"], {"skipNodeOperations"});
  }
  if (!gates.On("DRAPartitionableDevicesType") && !Has(old_spec, "partitionTypeAttribute")) {
    Remove(slice["spec"], {"partitionTypeAttribute"});
  }
}

void DropFromClaim(const Gates& gates, const json& old, json& claim) {
  if (!At(claim, "status").is_object()) return;
  if (!gates.On("DRAResourceClaimDeviceStatus") && !Has(At(old, "status"), "devices")) {
    Remove(claim["status"], {"devices"});
  }
  const Names shares = {"shareID", "consumedCapacity"};
  if (!gates.On("DRAConsumableCapacity") && !AnyResultHas(old, shares)) {
    DropFromResults(claim, shares);
  }
  const bool binding =
      gates.On("DRADeviceBindingConditions") && gates.On("DRAResourceClaimDeviceStatus");
  const Names conditions = {"bindingConditions", "bindingFailureConditions"};
  if (!binding && !AnyResultHas(old, conditions)) DropFromResults(claim, conditions);
  if (!gates.On("DRAOptionalNodeOperations") && !AnyResultHas(old, {"skipNodeOperations"})) {
    DropFromResults(claim, {"skipNodeOperations"});
  }
}

}  // namespace drapci::apiserver
