// The part of NVML's binary interface that drapci calls, in our own words: layouts and signatures
// as they are on 64-bit Linux. NVIDIA's header is neither included nor needed; the library is
// loaded at run time, each function by its exported name, newest version first.
//
// Never seen with a real library so far: layouts are those that a compiler made of nvml.h 13.3 and
// are held fast by the assertions below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace drapci::hal::nvml {

// nvmlReturn_t; the values that drapci tells apart. The rest: codes.cc.
using Return = int;
inline constexpr Return kSuccess = 0;
inline constexpr Return kUninitialized = 1;
inline constexpr Return kInvalidArgument = 2;
inline constexpr Return kNotSupported = 3;
inline constexpr Return kNoPermission = 4;
inline constexpr Return kNotFound = 6;
inline constexpr Return kInsufficientSize = 7;
inline constexpr Return kDriverNotLoaded = 9;
inline constexpr Return kTimeout = 10;
inline constexpr Return kFunctionNotFound = 13;
inline constexpr Return kGpuIsLost = 15;
inline constexpr Return kResetRequired = 16;
inline constexpr Return kLibraryMismatch = 18;
inline constexpr Return kInUse = 19;
inline constexpr Return kInsufficientResources = 23;
inline constexpr Return kArgumentVersionMismatch = 25;
inline constexpr Return kUnknown = 999;

// Handles: pointers to what only the library knows. Those of a GPU are good until it is lost, reset
// or the library is shut down, those of MIG until the instance is destroyed.
using Device = struct DeviceObject*;
using GpuInstanceHandle = struct GpuInstanceObject*;
using ComputeInstanceHandle = struct ComputeInstanceObject*;

// The first word of a versioned struct: which one the caller has.
template <class T>
constexpr uint32_t VersionWord(uint32_t version) {
  return static_cast<uint32_t>(sizeof(T)) | version << 24;
}

inline constexpr size_t kTextSize = 96;         // enough for every text that is asked for
inline constexpr uint32_t kNone = 0xFFFFFFFF;   // an instance id: not on MIG
inline constexpr uint32_t kGpuProfiles = 0x12;  // indexes of GPU instance profiles
inline constexpr uint32_t kComputeProfiles = 9;
inline constexpr uint32_t kInitNoGpus = 1;  // nvmlInitWithFlags: no GPU is no failure

struct PciInfo {
  char bus_id_legacy[16];
  uint32_t domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];  // "00000000:81:00.0"
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, bus_id) == 36);

struct Memory {
  uint64_t total, free, used;
};
static_assert(sizeof(Memory) == 24);

struct MemoryV2 {
  uint32_t version;
  uint64_t total, reserved, free, used;
};
static_assert(VersionWord<MemoryV2>(2) == 0x02000028);

struct Utilization {
  uint32_t gpu, memory;
};
static_assert(sizeof(Utilization) == 8);

struct Placement {
  uint32_t start, size;
};
static_assert(sizeof(Placement) == 8);

struct GpuInstanceProfileInfo {
  uint32_t id, p2p, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs,
      ofas;
  uint64_t memory_mib;
};
static_assert(sizeof(GpuInstanceProfileInfo) == 48);

struct GpuInstanceProfileInfoV2 {
  uint32_t version, id, p2p, slices, instances, multiprocessors, copy_engines, decoders, encoders,
      jpegs, ofas;
  uint64_t memory_mib;
  char name[96];
};
static_assert(VersionWord<GpuInstanceProfileInfoV2>(2) == 0x02000098);
static_assert(offsetof(GpuInstanceProfileInfoV2, name) == 56);

struct GpuInstanceProfileInfoV3 {
  uint32_t version, id, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs,
      ofas;
  uint64_t memory_mib;
  char name[96];
  uint32_t capabilities;
};
static_assert(VersionWord<GpuInstanceProfileInfoV3>(3) == 0x03000098);
static_assert(offsetof(GpuInstanceProfileInfoV3, name) == 48);

struct GpuInstanceInfo {
  Device device;
  uint32_t id, profile_id;
  Placement placement;
};
static_assert(sizeof(GpuInstanceInfo) == 24);

struct ComputeInstanceProfileInfo {
  uint32_t id, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs, ofas;
};
static_assert(sizeof(ComputeInstanceProfileInfo) == 36);

struct ComputeInstanceProfileInfoV2 {
  uint32_t version, id, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs,
      ofas;
  char name[96];
};
static_assert(VersionWord<ComputeInstanceProfileInfoV2>(2) == 0x02000088);

struct ComputeInstanceProfileInfoV3 {
  uint32_t version, id, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs,
      ofas;
  char name[96];
  uint32_t capabilities;
};
static_assert(VersionWord<ComputeInstanceProfileInfoV3>(3) == 0x0300008c);

// The first version of it ends before `placement`.
struct ComputeInstanceInfo {
  Device device;
  GpuInstanceHandle gpu_instance;
  uint32_t id, profile_id;
  Placement placement;
};
static_assert(sizeof(ComputeInstanceInfo) == 32);

struct ProcessInfo {
  uint32_t pid;
  uint64_t used_bytes;  // all ones: not known
  uint32_t gpu_instance, compute_instance;
};
static_assert(sizeof(ProcessInfo) == 24);

struct Temperature {
  uint32_t version, sensor;
  int32_t celsius;
};
static_assert(VersionWord<Temperature>(1) == 0x0100000c);

using EventSet = struct EventSetObject*;
inline constexpr uint64_t kXidEvent = 0x8;  // nvmlEventTypeXidCriticalError

struct EventData {
  Device device;
  uint64_t type, data;  // of kXidEvent: the Xid
  uint32_t gpu_instance, compute_instance;
};
static_assert(sizeof(EventData) == 32);

// nvmlClocksEventReasons.
inline constexpr uint64_t kThrottleHardware = 0x8, kThrottleSoftThermal = 0x20,
                          kThrottleHardThermal = 0x40, kThrottlePowerBrake = 0x80;
inline constexpr int kSlowdownThreshold = 1;  // NVML_TEMPERATURE_THRESHOLD_SLOWDOWN

// F(FIELD, SIGNATURE, EXPORTED NAMES...): newest name first; those behind it take the same
// arguments.
#define DRAPCI_NVML_FUNCTIONS(F)                                                                   \
  F(InitWithFlags, Return(uint32_t), "nvmlInitWithFlags")                                          \
  F(Init, Return(), "nvmlInit_v2", "nvmlInit")                                                     \
  F(Shutdown, Return(), "nvmlShutdown")                                                            \
  F(SystemGetDriverVersion, Return(char*, uint32_t), "nvmlSystemGetDriverVersion")                 \
  F(DeviceGetCount, Return(uint32_t*), "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount")              \
  F(DeviceGetHandleByIndex, Return(uint32_t, Device*), "nvmlDeviceGetHandleByIndex_v2",            \
    "nvmlDeviceGetHandleByIndex")                                                                  \
  F(DeviceGetHandleByPciBusId, Return(const char*, Device*), "nvmlDeviceGetHandleByPciBusId_v2",   \
    "nvmlDeviceGetHandleByPciBusId")                                                               \
  F(DeviceGetPciInfo, Return(Device, PciInfo*), "nvmlDeviceGetPciInfo_v3")                         \
  F(DeviceGetName, Return(Device, char*, uint32_t), "nvmlDeviceGetName")                           \
  F(DeviceGetUuid, Return(Device, char*, uint32_t), "nvmlDeviceGetUUID")                           \
  F(DeviceGetSerial, Return(Device, char*, uint32_t), "nvmlDeviceGetSerial")                       \
  F(DeviceGetMinorNumber, Return(Device, uint32_t*), "nvmlDeviceGetMinorNumber")                   \
  F(DeviceGetMemoryInfoV2, Return(Device, MemoryV2*), "nvmlDeviceGetMemoryInfo_v2")                \
  F(DeviceGetMemoryInfo, Return(Device, Memory*), "nvmlDeviceGetMemoryInfo")                       \
  F(DeviceGetMigMode, Return(Device, uint32_t*, uint32_t*), "nvmlDeviceGetMigMode")                \
  F(DeviceSetMigMode, Return(Device, uint32_t, Return*), "nvmlDeviceSetMigMode")                   \
  F(DeviceGetGpuInstanceProfileInfoV, Return(Device, uint32_t, void*),                             \
    "nvmlDeviceGetGpuInstanceProfileInfoV")                                                        \
  F(DeviceGetGpuInstanceProfileInfo, Return(Device, uint32_t, GpuInstanceProfileInfo*),            \
    "nvmlDeviceGetGpuInstanceProfileInfo")                                                         \
  F(DeviceGetGpuInstancePossiblePlacements, Return(Device, uint32_t, Placement*, uint32_t*),       \
    "nvmlDeviceGetGpuInstancePossiblePlacements_v2")                                               \
  F(DeviceGetGpuInstanceRemainingCapacity, Return(Device, uint32_t, uint32_t*),                    \
    "nvmlDeviceGetGpuInstanceRemainingCapacity")                                                   \
  F(DeviceCreateGpuInstanceWithPlacement,                                                          \
    Return(Device, uint32_t, const Placement*, GpuInstanceHandle*),                                \
    "nvmlDeviceCreateGpuInstanceWithPlacement")                                                    \
  F(GpuInstanceDestroy, Return(GpuInstanceHandle), "nvmlGpuInstanceDestroy")                       \
  F(DeviceGetGpuInstances, Return(Device, uint32_t, GpuInstanceHandle*, uint32_t*),                \
    "nvmlDeviceGetGpuInstances")                                                                   \
  F(DeviceGetGpuInstanceById, Return(Device, uint32_t, GpuInstanceHandle*),                        \
    "nvmlDeviceGetGpuInstanceById")                                                                \
  F(GpuInstanceGetInfo, Return(GpuInstanceHandle, GpuInstanceInfo*), "nvmlGpuInstanceGetInfo")     \
  F(GpuInstanceGetComputeInstanceProfileInfoV,                                                     \
    Return(GpuInstanceHandle, uint32_t, uint32_t, void*),                                          \
    "nvmlGpuInstanceGetComputeInstanceProfileInfoV")                                               \
  F(GpuInstanceGetComputeInstanceProfileInfo,                                                      \
    Return(GpuInstanceHandle, uint32_t, uint32_t, ComputeInstanceProfileInfo*),                    \
    "nvmlGpuInstanceGetComputeInstanceProfileInfo")                                                \
  F(GpuInstanceCreateComputeInstance, Return(GpuInstanceHandle, uint32_t, ComputeInstanceHandle*), \
    "nvmlGpuInstanceCreateComputeInstance")                                                        \
  F(GpuInstanceCreateComputeInstanceWithPlacement,                                                 \
    Return(GpuInstanceHandle, uint32_t, const Placement*, ComputeInstanceHandle*),                 \
    "nvmlGpuInstanceCreateComputeInstanceWithPlacement")                                           \
  F(ComputeInstanceDestroy, Return(ComputeInstanceHandle), "nvmlComputeInstanceDestroy")           \
  F(GpuInstanceGetComputeInstances,                                                                \
    Return(GpuInstanceHandle, uint32_t, ComputeInstanceHandle*, uint32_t*),                        \
    "nvmlGpuInstanceGetComputeInstances")                                                          \
  F(GpuInstanceGetComputeInstanceById,                                                             \
    Return(GpuInstanceHandle, uint32_t, ComputeInstanceHandle*),                                   \
    "nvmlGpuInstanceGetComputeInstanceById")                                                       \
  F(ComputeInstanceGetInfo, Return(ComputeInstanceHandle, ComputeInstanceInfo*),                   \
    "nvmlComputeInstanceGetInfo_v2", "nvmlComputeInstanceGetInfo")                                 \
  F(DeviceGetMaxMigDeviceCount, Return(Device, uint32_t*), "nvmlDeviceGetMaxMigDeviceCount")       \
  F(DeviceGetMigDeviceHandleByIndex, Return(Device, uint32_t, Device*),                            \
    "nvmlDeviceGetMigDeviceHandleByIndex")                                                         \
  F(DeviceGetGpuInstanceId, Return(Device, uint32_t*), "nvmlDeviceGetGpuInstanceId")               \
  F(DeviceGetComputeInstanceId, Return(Device, uint32_t*), "nvmlDeviceGetComputeInstanceId")       \
  F(DeviceGetComputeRunningProcesses, Return(Device, uint32_t*, ProcessInfo*),                     \
    "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")          \
  F(DeviceGetGraphicsRunningProcesses, Return(Device, uint32_t*, ProcessInfo*),                    \
    "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2")        \
  F(DeviceGetTemperatureV, Return(Device, Temperature*), "nvmlDeviceGetTemperatureV")              \
  F(DeviceGetTemperature, Return(Device, int, uint32_t*), "nvmlDeviceGetTemperature")              \
  F(DeviceGetPowerUsage, Return(Device, uint32_t*), "nvmlDeviceGetPowerUsage")                     \
  F(DeviceGetUtilizationRates, Return(Device, Utilization*), "nvmlDeviceGetUtilizationRates")      \
  F(DeviceGetTotalEccErrors, Return(Device, int, int, uint64_t*), "nvmlDeviceGetTotalEccErrors")   \
  F(DeviceGetTemperatureThreshold, Return(Device, int, uint32_t*),                                 \
    "nvmlDeviceGetTemperatureThreshold")                                                           \
  F(DeviceGetRemappedRows, Return(Device, uint32_t*, uint32_t*, uint32_t*, uint32_t*),             \
    "nvmlDeviceGetRemappedRows")                                                                   \
  F(DeviceGetCurrentClocksEventReasons, Return(Device, uint64_t*),                                 \
    "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")         \
  F(EventSetCreate, Return(EventSet*), "nvmlEventSetCreate")                                       \
  F(DeviceRegisterEvents, Return(Device, uint64_t, EventSet), "nvmlDeviceRegisterEvents")          \
  F(EventSetWait, Return(EventSet, EventData*, uint32_t), "nvmlEventSetWait_v2")                   \
  F(EventSetFree, Return(EventSet), "nvmlEventSetFree")

// The functions that a library has; a missing one is null.
struct Functions {
#define DRAPCI_NVML_FIELD(field, signature, ...) std::add_pointer_t<signature> field = nullptr;
  DRAPCI_NVML_FUNCTIONS(DRAPCI_NVML_FIELD)
#undef DRAPCI_NVML_FIELD
};

}  // namespace drapci::hal::nvml
