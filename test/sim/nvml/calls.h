// What every function of the stand-in library does first: find the process's handle, take the
// state's lock, read it, see whether a fault is due, and write back what the call has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hal/nvml/abi.h"
#include "test/sim/nvml/mig_rules.h"
#include "test/sim/nvml/state.h"

#define DRAPCI_SIM_NVML_EXPORT extern "C" __attribute__((visibility("default")))

namespace drapci::sim::nvml {

using hal::nvml::ComputeInstanceHandle;
using hal::nvml::Device;
using hal::nvml::GpuInstanceHandle;

// What a handle stands for: a GPU, an instance in it (`made`), a compute instance in that (`made`
// and `uuid`), or the MIG device of that (`uuid`). An instance made later is another one, even with
// the same id.
struct Target {
  std::string gpu;  // address
  uint64_t made = 0;
  std::string uuid;
  auto operator<=>(const Target&) const = default;
};

// The call under way.
struct Call {
  const char* name;          // of the function, as exported
  std::string changes = {};  // not empty: the arguments of a call that changes something
};

// Starts and ends the process's use of the library.
Return Initialize(const char* name);
Return Shutdown();

// The handle of `target`: the same pointer each time.
void* HandleOf(const Target& target);

using OnState = std::function<Return(State&)>;
using OnGpu = std::function<Return(State&, Gpu&)>;
using OnGpuInstance = std::function<Return(State&, Gpu&, GpuInstance&)>;
using OnComputeInstance = std::function<Return(State&, Gpu&, GpuInstance&, ComputeInstance&)>;

// Each runs its function on the state, or says why not: kUninitialized, kInvalidArgument for a
// handle that is none (any more), kGpuIsLost, or the fault that is due.
Return OnLibrary(const Call& call, const OnState& work);
Return OnAddress(const Call& call, const std::string& address, const OnGpu& work);
Return OnDevice(const Call& call, Device device, const OnGpu& work);  // no MIG device
Return OnInstance(const Call& call, GpuInstanceHandle handle, const OnGpuInstance& work);
Return OnInstance(const Call& call, ComputeInstanceHandle handle, const OnComputeInstance& work);
Return OnMigDevice(const Call& call, Device device, const OnComputeInstance& work);

// Whether `device` is the handle of a MIG device.
bool IsMigDevice(Device device);

// The activation status that a fault wants nvmlDeviceSetMigMode to tell; asked for within it.
std::optional<Return> ForcedActivation();

// The addresses of the GPUs that this process's initialization has found; later ones are unknown.
std::vector<std::string> KnownGpus();

}  // namespace drapci::sim::nvml
