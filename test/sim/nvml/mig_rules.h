// MIG's rules: what may be made, where, and with which of NVML's codes the rest is refused. Pure.
//
// From NVIDIA's MIG user guide and the NVML reference (Multi Instance GPU Management); what these
// leave open is marked with [?] in mig_rules.cc. No real GPU has been asked.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hal/nvml/abi.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {

using hal::nvml::Return;

const Profile* FindProfile(const Gpu& gpu, uint32_t id);

// How many more instances of `profile` fit, wherever.
uint32_t RemainingCapacity(const Gpu& gpu, const Profile& profile);

// Makes an instance at `start`; without one, at the first place that is free. `id` tells which.
Return CreateGpuInstance(State& state, Gpu& gpu, uint32_t profile_id,
                         std::optional<hal::nvml::Placement> place, uint32_t& id);
Return DestroyGpuInstance(Gpu& gpu, uint32_t id);
Return SetMigMode(Gpu& gpu, uint32_t mode, Return& activation);

// A kind of compute instance in a GPU instance of `slices` compute slices.
struct ComputeProfile {
  uint32_t index = 0, id = 0, slices = 0, max = 0;
  std::vector<uint32_t> starts;
};
std::vector<ComputeProfile> ComputeProfiles(uint32_t slices);

// In compute slices of the GPU instance.
Return CreateComputeInstance(State& state, Gpu& gpu, GpuInstance& instance, uint32_t profile_id,
                             std::optional<hal::nvml::Placement> place, uint32_t& id);
Return DestroyComputeInstance(const Gpu& gpu, GpuInstance& instance, uint32_t id);

}  // namespace drapci::sim::nvml
