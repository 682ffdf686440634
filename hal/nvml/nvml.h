// NVIDIA GPUs and their partitions (MIG), as NVIDIA's management library NVML tells and makes them.
//
// A GPU is named by its PCI address; nothing that the library hands out as a handle leaves this
// folder. Ids of instances are the library's: they are found by placement, used at once and never
// kept, because they change when an instance is made anew.
//
// Any thread. No call waits for another, but Release() waits for the calls under way; making and
// destroying an instance takes the hardware up to seconds. The library is loaded and initialized by
// the first call, and again after the driver has been loaded anew or when it is asked for a GPU
// that it has not seen (so asking for one that is bound elsewhere is slow, and pointless).
//
// Errors of every call, next to those that it names:
//   kGone         the GPU has fallen off the bus (GPU_IS_LOST); it stays so until it is reset
//   kNotFound     no such GPU: the driver is not bound to it, or there is none
//   kUnsupported  the library or its driver is missing or too old, or the GPU cannot do it
//   kDenied       needs root, or a cgroup forbids the device
//   kTimeout, kIo the driver gave up, or failed
// The text has NVML's name for the failure in it: "...: NVML_ERROR_IN_USE (19): ...".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/pci/address.h"

namespace drapci::hal {

struct GpuInfo {
  PciAddress address;
  std::string name;          // "NVIDIA H100 80GB HBM3"
  std::string uuid;          // "GPU-5ccf2a1e-..."
  std::string serial;        // empty: the board has none
  unsigned minor = 0;        // N of /dev/nvidiaN and of capabilities/gpuN; may change with a reset
  int64_t memory_bytes = 0;  // all of it, with what the driver keeps for itself
};

// A GPU can be cut up while `current`. The two differ while a change waits for a reset.
struct MigMode {
  bool current = false, pending = false;
  bool operator==(const MigMode&) const = default;
};

// What has come of a wish to change the MIG mode.
enum class MigSwitch {
  kDone,           // current is what was asked for
  kPendingInUse,   // somebody has the GPU open: pending until it is idle and has been asked again
  kPendingReset,   // pending until the GPU is reset
  kPendingFailed,  // the driver could not activate it, for a reason of its own; pending
};

// Where an instance lies: a GPU instance in memory slices of its GPU, a compute instance in compute
// slices of its GPU instance.
struct MigPlacement {
  uint32_t start = 0, size = 0;
  auto operator<=>(const MigPlacement&) const = default;
};

// A kind of GPU instance that the GPU offers. It is the same whatever is made or destroyed.
struct GpuInstanceProfile {
  uint32_t id = 0;   // what CreateGpuInstance takes
  std::string name;  // "1g.10gb", "1g.10gb+me"
  uint32_t compute_slices = 0;
  int64_t memory_mib = 0;
  uint32_t max_instances = 0;  // on an empty GPU
  uint32_t multiprocessors = 0, copy_engines = 0, decoders = 0, encoders = 0;
  uint32_t jpeg_engines = 0, ofa_engines = 0;
  std::vector<MigPlacement> placements;  // all that exist, free or not; ascending
};

struct GpuInstance {
  uint32_t id = 0;  // the library's, G of capabilities/gpuN/mig/giG
  uint32_t profile_id = 0;
  MigPlacement placement;
  bool operator==(const GpuInstance&) const = default;
};

// A kind of compute instance that a GPU instance offers. It takes all of the GPU instance when
// `compute_slices` equals that of its profile.
struct ComputeInstanceProfile {
  uint32_t id = 0;
  std::string name;  // "1c.3g.40gb"; "3g.40gb" when it takes all; empty from old drivers
  uint32_t compute_slices = 0;
  uint32_t max_instances = 0;
  uint32_t multiprocessors = 0;
};

struct ComputeInstance {
  uint32_t id = 0;  // C of capabilities/gpuN/mig/giG/ciC
  uint32_t profile_id = 0;
  MigPlacement placement;  // both 0 where the driver does not tell
  bool operator==(const ComputeInstance&) const = default;
};

// What a program sees of a compute instance. The UUID is new each time that it is made.
struct MigDevice {
  std::string uuid;  // "MIG-..."
  uint32_t gpu_instance = 0, compute_instance = 0;
  bool operator==(const MigDevice&) const = default;
};

// A process that computes or draws on the GPU. Daemons that only hold it open (nvidia-persistenced,
// DCGM) are not listed by the library: who has /dev/nvidiaN open is another question.
struct GpuProcess {
  uint32_t pid = 0;  // as seen from the library's pid namespace
  std::optional<int64_t> memory_bytes;
  std::optional<uint32_t> gpu_instance, compute_instance;  // empty: on the whole GPU
  bool operator==(const GpuProcess&) const = default;
};

// What the GPU reads at this moment; what it cannot tell is empty (most of it for MIG GPUs).
struct GpuTelemetry {
  std::optional<int> temperature_celsius;
  std::optional<int64_t> power_milliwatt;
  std::optional<int> gpu_percent, memory_percent;         // busy, over the last sampling period
  std::optional<int64_t> ecc_corrected, ecc_uncorrected;  // since the driver was loaded
};

// Why a GPU runs slower than it could, but for its power cap, which is normal under load.
struct GpuThrottle {
  bool thermal = false;   // by temperature, in software or in hardware
  bool power = false;     // by the power brake of the board
  bool hardware = false;  // by the hardware, for one of these or a reason of its own
  bool operator==(const GpuThrottle&) const = default;
};

// What speaks for or against the GPU; what it cannot tell is empty.
struct GpuHealth {
  bool lost =
      false;  // fallen off the bus, or good for nothing until it is reset: all else is empty
  GpuTelemetry telemetry;
  std::optional<int> slowdown_celsius;  // from where on it slows itself down
  std::optional<GpuThrottle> throttle;
  std::optional<int64_t> remapped_corrected, remapped_uncorrected;  // rows of memory, ever
  std::optional<bool> remap_pending, remap_failed;
  // The Xid events since this was last asked (the first question begins to listen), at most 64;
  // empty: it does not tell them. NVIDIA's "Xid Errors" says what the numbers mean.
  std::optional<std::vector<uint64_t>> xids;
};

class Nvml {
 public:
  virtual ~Nvml() = default;

  virtual Result<std::string> DriverVersion() = 0;

  // The GPUs that the driver drives, ascending. A lost one is left out.
  virtual Result<std::vector<PciAddress>> Gpus() = 0;
  virtual Result<GpuInfo> Gpu(const PciAddress& gpu) = 0;

  // kUnsupported: the GPU has no MIG.
  virtual Result<MigMode> GetMigMode(const PciAddress& gpu) = 0;
  // May reset the GPU, after which its minor number is to be read again. kBusy: there are GPU
  // instances (the mode stays as it is). Success only says that the wish was taken: see MigSwitch.
  // Wishing for the current mode takes back what is pending.
  virtual Result<MigSwitch> SetMigMode(const PciAddress& gpu, bool enabled) = 0;

  // In the order of the library. New drivers tell it whether the MIG mode is on or not; old ones
  // are kUnsupported while it is off.
  virtual Result<std::vector<GpuInstanceProfile>> GpuInstanceProfiles(const PciAddress& gpu) = 0;
  // How many more instances of a profile fit now, wherever.
  virtual Result<uint32_t> RemainingGpuInstances(const PciAddress& gpu, uint32_t profile_id) = 0;
  // Ascending by placement; empty while the MIG mode is off.
  virtual Result<std::vector<GpuInstance>> GpuInstances(const PciAddress& gpu) = 0;
  // kConflict: something lies there already, or the profile's stock is used up. kInvalid: no such
  // profile, or no such placement of it. kUnsupported: the MIG mode is off, or the driver is too
  // old to be told a place. After kTimeout and kIo look again: it may have been made all the same.
  virtual Result<GpuInstance> CreateGpuInstance(const PciAddress& gpu, uint32_t profile_id,
                                                const MigPlacement& placement) = 0;
  // kBusy: it has compute instances, or is in use. kNotFound: no such instance (any more).
  virtual Result<> DestroyGpuInstance(const PciAddress& gpu, uint32_t id) = 0;

  virtual Result<std::vector<ComputeInstanceProfile>> ComputeInstanceProfiles(
      const PciAddress& gpu, uint32_t gpu_instance) = 0;
  // Ascending by placement, then by id.
  virtual Result<std::vector<ComputeInstance>> ComputeInstances(const PciAddress& gpu,
                                                                uint32_t gpu_instance) = 0;
  // Without a placement the driver chooses. Errors as those of CreateGpuInstance.
  virtual Result<ComputeInstance> CreateComputeInstance(
      const PciAddress& gpu, uint32_t gpu_instance, uint32_t profile_id,
      const std::optional<MigPlacement>& placement) = 0;
  // kBusy: a process uses it. kNotFound: no such instance (any more).
  virtual Result<> DestroyComputeInstance(const PciAddress& gpu, uint32_t gpu_instance,
                                          uint32_t id) = 0;

  // One for each compute instance, ascending by ids; empty while the MIG mode is off.
  virtual Result<std::vector<MigDevice>> MigDevices(const PciAddress& gpu) = 0;

  // Ascending by pid; a process that computes and draws is listed once.
  virtual Result<std::vector<GpuProcess>> Processes(const PciAddress& gpu) = 0;

  // Fails only when the GPU itself cannot be asked.
  virtual Result<GpuTelemetry> Telemetry(const PciAddress& gpu) = 0;

  // For who asks again and again. Never loads the library, which would keep the driver in use
  // against the wish of who has called Release(): kBusy until another call has loaded it. A lost
  // GPU is no failure. One thread at a time for one GPU.
  virtual Result<GpuHealth> Health(const PciAddress& gpu) {
    return Fail(Code::kUnsupported, gpu.ToString() + ": its health is not told");
  }

  // Lets go of the driver, which the library otherwise keeps in use: to be called before a GPU is
  // unbound from it or reset. Waits for calls under way; the next call initializes again.
  virtual void Release() = 0;
};

}  // namespace drapci::hal
