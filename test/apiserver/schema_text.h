// The fields of the objects, after sections 5.1 to 5.7 of the contract. NAME TYPE [@FROM[-TO]],
// where TYPE is a scalar, a type of this text, []TYPE (list) or {}TYPE (map by name); `any` is raw.
#pragma once

#include <string_view>

namespace drapci::apiserver {

inline constexpr std::string_view kSchemaText = R"(
ResourceSlice: apiVersion string; kind string; metadata ObjectMeta; spec SliceSpec
SliceSpec: driver string; pool Pool; nodeName string; nodeSelector NodeSelector; allNodes bool; perDeviceNodeSelection bool; devices []Device; sharedCounters []CounterSet; partitionTypeAttribute string @37; skipNodeOperations []string @37
Pool: name string; generation int; resourceSliceCount int
Device: name string; attributes {}Attribute; capacity {}Capacity; consumesCounters []Consumes; nodeName string; nodeSelector NodeSelector; allNodes bool; taints []Taint; bindsToNode bool; bindingConditions []string; bindingFailureConditions []string; allowMultipleAllocations bool; nodeAllocatableResourceMappings {}any @36-36; nodeAllocatableResources {}any @37
Attribute: int int; bool bool; string string; version string; ints []int @36; bools []bool @36; strings []string @36; versions []string @36
Capacity: value quantity; requestPolicy Policy
Policy: default quantity; validValues []quantity; validRange Range
Range: min quantity; max quantity; step quantity
Consumes: counterSet string; counters {}Counter
CounterSet: name string; counters {}Counter
Counter: value quantity
Taint: key string; value string; effect string; timeAdded time
NodeSelector: nodeSelectorTerms []NodeSelectorTerm
NodeSelectorTerm: matchExpressions []Requirement; matchFields []Requirement
Requirement: key string; operator string; values []string
ResourceClaim: apiVersion string; kind string; metadata ObjectMeta; spec ClaimSpec; status ClaimStatus
ClaimSpec: devices any
ClaimStatus: allocation Allocation; reservedFor []Consumer; devices []DeviceStatus
Consumer: apiGroup string; resource string; name string; uid string
Allocation: devices AllocatedDevices; nodeSelector NodeSelector; allocationTimestamp time
AllocatedDevices: results []Result; config []any
Result: request string; driver string; pool string; device string; adminAccess bool; tolerations []any; bindingConditions []string; bindingFailureConditions []string; shareID string; consumedCapacity {}quantity; skipNodeOperations []string @37
DeviceStatus: driver string; pool string; device string; shareID string; conditions []Condition; data any; networkData NetworkData
Condition: type string; status string; observedGeneration int; lastTransitionTime time; reason string; message string
NetworkData: interfaceName string; ips []string; hardwareAddress string
DeviceClass: apiVersion string; kind string; metadata ObjectMeta; spec any
Node: apiVersion string; kind string; metadata ObjectMeta; spec any; status any
ObjectMeta: name string; generateName string; namespace string; selfLink string; uid string; resourceVersion string; generation int; creationTimestamp time; deletionTimestamp time; deletionGracePeriodSeconds int; labels {}string; annotations {}string; ownerReferences []OwnerReference; finalizers []string; managedFields []any
OwnerReference: apiVersion string; kind string; name string; uid string; controller bool; blockOwnerDeletion bool
)";

}  // namespace drapci::apiserver
