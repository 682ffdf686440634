// The files below /proc/driver that NVIDIA's driver shows: who may open which instance
// (nvidia/capabilities), the numbers of the nodes for that (nvidia-caps/mig-minors), and what GPUs
// there are (nvidia/gpus). Layout and numbers: nv-caps.c of open-gpu-kernel-modules.
#pragma once

#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {

// The minor of /dev/nvidia-caps/nvidia-capN: of a GPU instance, of a compute instance in it.
uint32_t CapabilityMinor(uint32_t gpu_minor, uint32_t gpu_instance);
uint32_t CapabilityMinor(uint32_t gpu_minor, uint32_t gpu_instance, uint32_t compute_instance);

// Brings the directory `state.capabilities` to what `state` says; nothing without one.
Result<> WriteCapabilities(const State& state);

}  // namespace drapci::sim::nvml
