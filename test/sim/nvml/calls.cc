#include "test/sim/nvml/calls.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "test/sim/nvml/capabilities.h"

namespace drapci::sim::nvml {
namespace {

namespace code = hal::nvml;

constexpr size_t kMaxLog = 2000;

// What one process has of the library: nothing of it is the hardware's.
struct Library {
  std::recursive_mutex mutex;
  int initialized = 0;
  StateFile file{""};
  std::string version;      // of the driver when it was initialized
  uint64_t generation = 0;  // of the driver's loads, likewise
  std::vector<std::string> known;
  std::optional<Return> activation;  // of the call under way, when a fault says it
  std::map<Target, std::unique_ptr<Target>> handles;
};

Library& Self() {
  static Library library;
  return library;
}

// The target of a handle that this process was given; null for any other pointer.
const Target* TargetOf(const void* handle) {
  for (const auto& [target, object] : Self().handles) {
    if (object.get() == handle) return object.get();
  }
  return nullptr;
}

// The fault that hits this call, counted down; empty: none.
std::optional<Fault> Due(State& state, const Call& call, const std::string& gpu) {
  for (auto fault = state.faults.begin(); fault != state.faults.end(); ++fault) {
    if (fault->call != call.name || (!fault->gpu.empty() && fault->gpu != gpu)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    const Fault due = *fault;
    if (--fault->count == 0) state.faults.erase(fault);
    return due;
  }
  return std::nullopt;
}

void Log(State& state, const Call& call, const std::string& gpu, Return returned) {
  if (call.changes.empty()) return;
  if (state.log.size() >= kMaxLog) state.log.erase(state.log.begin());
  state.log.push_back(fmt::format("{}{}{} {} = {}", call.name, gpu.empty() ? "" : " ", gpu,
                                  call.changes, returned));
}

// Runs `work` on the state. A process that is to be killed dies when the state is in its file.
Return OnFile(const Call& call, const std::string& gpu, const OnState& work) {
  Return returned = code::kUnknown;
  bool kill = false;
  Self().activation.reset();
  const auto changed = Self().file.Change([&](State& state) {
    const auto fault = Due(state, call, gpu);
    const bool activates = fault && fault->activation >= 0;
    if (activates) Self().activation = static_cast<Return>(fault->activation);
    if (!fault || fault->after || activates) returned = work(state);
    if (fault && !activates) returned = static_cast<Return>(fault->code);
    kill = fault && fault->kill;
    Log(state, call, gpu, returned);
  });
  if (kill) ::kill(::getpid(), SIGKILL);
  return changed ? returned : code::kUnknown;
}

// What a process that was initialized with an earlier driver is told.
Return Fresh(const State& state) {
  const Library& library = Self();
  if (!state.driver_loaded) return code::kDriverNotLoaded;
  if (state.driver_version != library.version) return code::kLibraryMismatch;
  return state.generation == library.generation ? code::kSuccess : code::kUninitialized;
}

Return OnTarget(const Call& call, const Target* target,
                const std::function<Return(State&, Gpu&)>& work) {
  if (Self().initialized == 0) return code::kUninitialized;
  if (!target) return code::kInvalidArgument;
  return OnFile(call, target->gpu, [&](State& state) {
    if (const Return stale = Fresh(state); stale != code::kSuccess) return stale;
    Gpu* gpu = FindGpu(state, target->gpu);
    if (!gpu || !gpu->bound) return Return{code::kNotFound};
    return gpu->lost ? Return{code::kGpuIsLost} : work(state, *gpu);
  });
}

GpuInstance* FindMade(Gpu& gpu, uint64_t made) {
  auto found = std::ranges::find(gpu.instances, made, &GpuInstance::made);
  return found == gpu.instances.end() ? nullptr : &*found;
}

Return OnCompute(const Call& call, const void* handle, bool mig, const OnComputeInstance& work) {
  const std::lock_guard lock(Self().mutex);
  const Target* target = TargetOf(handle);
  if (target && (target->uuid.empty() || mig != (target->made == 0))) target = nullptr;
  return OnTarget(call, target, [&](State& state, Gpu& gpu) {
    for (GpuInstance& instance : gpu.instances) {
      for (ComputeInstance& compute : instance.compute) {
        if (compute.uuid == target->uuid) return work(state, gpu, instance, compute);
      }
    }
    return Return{code::kInvalidArgument};
  });
}

}  // namespace

Return Initialize(const char* name) {
  Library& library = Self();
  const std::lock_guard lock(library.mutex);
  const char* path = std::getenv(kStateVariable);
  if (!path) return code::kDriverNotLoaded;
  if (library.initialized == 0) library.file = StateFile(path);
  const Return returned = OnFile({.name = name, .changes = "()"}, "", [&](State& state) {
    if (!state.driver_loaded) return Return{code::kDriverNotLoaded};
    if (library.initialized > 0) return Fresh(state);
    library.version = state.driver_version;
    library.generation = state.generation;
    library.known.clear();
    for (const Gpu& gpu : state.gpus) {
      if (gpu.bound) library.known.push_back(gpu.address);
    }
    // Whoever was killed between the two has left them apart.
    return WriteCapabilities(state) ? Return{code::kSuccess} : Return{code::kUnknown};
  });
  if (returned == code::kSuccess) ++library.initialized;
  return returned;
}

Return Shutdown() {
  Library& library = Self();
  const std::lock_guard lock(library.mutex);
  if (library.initialized == 0) return code::kUninitialized;
  const Return returned = OnFile({.name = "nvmlShutdown", .changes = "()"}, "",
                                 [](State&) { return Return{code::kSuccess}; });
  if (returned == code::kSuccess && --library.initialized == 0) library.handles.clear();
  return returned;
}

void* HandleOf(const Target& target) {
  Library& library = Self();
  const std::lock_guard lock(library.mutex);
  auto& object = library.handles[target];
  if (!object) object = std::make_unique<Target>(target);
  return object.get();
}

Return OnLibrary(const Call& call, const OnState& work) {
  const std::lock_guard lock(Self().mutex);
  if (Self().initialized == 0) return code::kUninitialized;
  return OnFile(call, "", [&](State& state) {
    const Return stale = Fresh(state);
    return stale == code::kSuccess ? work(state) : stale;
  });
}

Return OnAddress(const Call& call, const std::string& address, const OnGpu& work) {
  const std::lock_guard lock(Self().mutex);
  const auto& known = Self().known;
  const Target target{.gpu = address};
  return OnTarget(call, &target, [&](State& state, Gpu& gpu) {
    const bool knows = std::ranges::find(known, address) != known.end();
    return knows ? work(state, gpu) : Return{code::kNotFound};
  });
}

Return OnDevice(const Call& call, Device device, const OnGpu& work) {
  const std::lock_guard lock(Self().mutex);
  const Target* target = TargetOf(device);
  const bool whole = target && target->made == 0 && target->uuid.empty();
  return OnTarget(call, whole ? target : nullptr, work);
}

Return OnInstance(const Call& call, GpuInstanceHandle handle, const OnGpuInstance& work) {
  const std::lock_guard lock(Self().mutex);
  const Target* target = TargetOf(handle);
  if (target && (target->made == 0 || !target->uuid.empty())) target = nullptr;
  return OnTarget(call, target, [&](State& state, Gpu& gpu) {
    GpuInstance* instance = FindMade(gpu, target->made);
    return instance ? work(state, gpu, *instance) : Return{code::kInvalidArgument};
  });
}

Return OnInstance(const Call& call, ComputeInstanceHandle handle, const OnComputeInstance& work) {
  return OnCompute(call, handle, false, work);
}

Return OnMigDevice(const Call& call, Device device, const OnComputeInstance& work) {
  return OnCompute(call, device, true, work);
}

bool IsMigDevice(Device device) {
  const std::lock_guard lock(Self().mutex);
  const Target* target = TargetOf(device);
  return target && target->made == 0 && !target->uuid.empty();
}

std::optional<Return> ForcedActivation() { return Self().activation; }

std::vector<std::string> KnownGpus() {
  const std::lock_guard lock(Self().mutex);
  return Self().known;
}

}  // namespace drapci::sim::nvml
