// The state of NVIDIA GPUs as the stand-in library keeps it: in one JSON file, so that it outlives
// any process, as hardware does. README.md describes the file.
//
// Tests make, read and change it with StateFile; the library does so at each call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::sim::nvml {

inline constexpr const char* kStateVariable = "DRAPCI_SIM_NVML";
inline constexpr int64_t kNoInstance = -1;

// A kind of GPU instance: index and id are NVML's, sizes and starts in memory slices.
struct Profile {
  uint32_t index = 0, id = 0;
  std::string name;
  uint32_t slices = 0;  // compute slices
  int64_t memory_mib = 0;
  uint32_t max = 0;
  uint32_t size = 0;
  std::vector<uint32_t> starts;
  uint32_t multiprocessors = 0, copy_engines = 0, decoders = 0, encoders = 0, jpegs = 0, ofas = 0;
  uint32_t media = 0;  // media extension units: "+me" takes one of the GPU's
  bool operator==(const Profile&) const = default;
};

struct ComputeInstance {
  uint32_t id = 0, profile = 0, start = 0, size = 0;
  std::string uuid;
  uint32_t index = 0;  // of its MIG device handle
  bool operator==(const ComputeInstance&) const = default;
};

struct GpuInstance {
  uint32_t id = 0, profile = 0, start = 0, size = 0;
  uint64_t made = 0;  // counts what was ever made: tells it from one with the same id later
  uint32_t next_compute = 0;
  std::vector<ComputeInstance> compute;
  bool operator==(const GpuInstance&) const = default;
};

struct Process {
  int64_t pid = 0, memory_mib = 0;
  int64_t gpu_instance = kNoInstance, compute_instance = kNoInstance;
  bool graphics = false;
  bool operator==(const Process&) const = default;
};

struct Gpu {
  std::string address;  // "0000:18:00.0"
  std::string model;    // a table of boards.h; empty: all below is as written
  std::string name, uuid, serial;
  uint32_t minor = 0;
  int64_t memory_mib = 0;
  bool bound = true;  // to the nvidia driver
  bool lost = false;  // fallen off the bus: every call for it says so, until it is reset
  bool mig_capable = false;
  bool mig_needs_reset = false;  // to switch MIG (A100); else at once (H100 and later)
  bool mig = false, mig_pending = false;
  uint32_t memory_slices = 0, compute_slices = 0, media_units = 0;
  std::vector<Profile> profiles;
  std::vector<GpuInstance> instances;
  uint32_t next_instance = 1;
  std::vector<Process> processes;
  std::vector<std::string> clients;  // hold it open without computing; no call lists them
  int64_t temperature = 35, power_milliwatt = 72000, gpu_percent = 0, memory_percent = 0;
  int64_t ecc_corrected = 0, ecc_uncorrected = 0;
  int64_t slowdown_celsius = 87;
  uint64_t throttle_reasons = 0;  // NVML's bits
  int64_t remapped_corrected = 0, remapped_uncorrected = 0;
  bool remap_pending = false, remap_failed = false;
  std::vector<uint64_t> xids;  // that the driver has told of, the last 100
  uint64_t xids_told = 0;      // and how many there were
  bool operator==(const Gpu&) const = default;
};

// What goes wrong with calls to come.
struct Fault {
  std::string call;         // "nvmlGpuInstanceDestroy"
  std::string gpu;          // its address; empty: any
  uint32_t skip = 0;        // so many calls pass first
  uint32_t count = 1;       // then so many are hit
  int64_t code = 0;         // what they return
  bool after = false;       // the call does its work all the same
  bool kill = false;        // the calling process is killed instead (SIGKILL)
  int64_t activation = -1;  // nvmlDeviceSetMigMode: succeeds with this activation status, pending
  bool operator==(const Fault&) const = default;
};

struct State {
  bool driver_loaded = true;
  std::string driver_version = "580.95.05";
  uint64_t generation = 1;  // counts loads of the driver
  // The newest version of the profile structs that the library knows (drivers before 570: 2).
  uint32_t newest_struct = 3;
  // Profiles and placements are told in MIG mode only, as old drivers do.
  bool profiles_need_mig = false;
  std::string capabilities;  // directory that looks like /proc/driver; empty: none is kept
  uint64_t made = 0;         // instances, ever
  std::vector<Gpu> gpus;
  std::vector<Fault> faults;
  std::vector<std::string> log;  // calls that change something, with what they returned; the last
  bool operator==(const State&) const = default;
};

// As JSON; unknown keys, wrong types and models that are none are kInvalid.
std::string Encode(const State& state);
Result<State> Decode(std::string_view text);

// The file. Any thread, any process: one change at a time, under flock on PATH.lock; the file
// is replaced, never half written. What was read is kept as long as the file is the same.
class StateFile {
 public:
  explicit StateFile(std::string path);
  StateFile(StateFile&& other) noexcept;
  StateFile& operator=(StateFile&& other) noexcept;
  ~StateFile();

  Result<> Create(const State& state) const;
  Result<State> Read() const;
  // Writes it back when `change` has changed it; also the capability files.
  Result<> Change(const std::function<void(State&)>& change) const;

  const std::string& path() const { return path_; }

 private:
  struct Cache;
  std::string path_;
  std::unique_ptr<Cache> cache_;
};

Gpu* FindGpu(State& state, std::string_view address);

// What people do to machines, as changes of a state.
void FailNext(State& state, std::string_view call, int64_t code, std::string_view gpu = {});
// As the driver tells of one: 79 also loses the GPU, 48, 94 and 95 count an uncorrected error, 63
// leaves a row to be remapped, 64 finds no spare one.
void RaiseXid(Gpu& gpu, uint64_t xid);
void ResetGpu(Gpu& gpu);          // as nvidia-smi -r: instances vanish, a pending mode is taken
void ReloadDriver(State& state);  // as rmmod and modprobe; with a new version of its library
                                  // when `driver_version` was changed before

}  // namespace drapci::sim::nvml
