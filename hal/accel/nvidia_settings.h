// The settings of the family "nvidia".
//
// "nvidia.mig_mode", target "0000:41:00.0": "enabled" or "disabled", whether the GPU can be cut up;
// a wish "enabled reset" allows to reset the GPU for it. Shared: a mode of the whole GPU. Never
// switched while anybody uses the GPU. What cannot be switched at once is taken back, so that no
// later reset brings a mode that nobody waits for.
//
// "nvidia.gpu_instance", target "0000:41:00.0/1g-10gb-3": "none", or a GPU instance and the compute
// instances in it, as "profile=19 at=3:1 compute=1": profile, first memory slice and number of
// them, and the compute slices of each compute instance ("compute=none" without any). Found by
// profile and place, never by the ids that the driver gives it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/accel/setting.h"
#include "hal/nvml/nvml.h"

namespace drapci::hal {

inline constexpr std::string_view kMigModeSetting = "nvidia.mig_mode";
inline constexpr std::string_view kMigEnabled = "enabled";
inline constexpr std::string_view kMigDisabled = "disabled";
inline constexpr std::string_view kMayReset = " reset";
inline constexpr std::string_view kGpuInstanceSetting = "nvidia.gpu_instance";
inline constexpr std::string_view kNoGpuInstance = "none";

struct GpuInstanceValue {
  uint32_t profile_id = 0;
  MigPlacement place;
  std::vector<uint32_t> compute;  // slices of each compute instance
  bool operator==(const GpuInstanceValue&) const = default;
};
std::string FormatGpuInstance(const std::optional<GpuInstanceValue>& value);
// Nothing when it is no value; an inner nothing for "none".
std::optional<std::optional<GpuInstanceValue>> ParseGpuInstance(std::string_view text);

// Adds them to `table`. `host` must outlive it.
void AddNvidiaSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
