// Opaque configuration: what a claim or a DeviceClass may say to this driver about a device.
#pragma once

#include <optional>
#include <string_view>

#include "hal/accel/accelerator.h"
#include "hal/base/result.h"
#include "plugin/json.h"

namespace drapci::plugin {

inline constexpr std::string_view kConfigApiVersion = "config.dra.pci/v1alpha1";

// Who wrote a configuration. A claim's author may be anybody with a namespace; a DeviceClass is
// written by the cluster's administrator, and the control socket is open to root and the drapci
// group alone.
enum class ConfigSource { kClaim, kClass, kOperator };

// What was asked for; what was not stays empty.
struct DeviceConfig {
  std::optional<hal::Access> access;  // AccessConfig{driver: kernel|vfio}
};

// Decodes `parameters` strictly: an unknown kind, field or value is kInvalid and names its path.
// Whether the writer may ask for it is Apply's business.
Result<DeviceConfig> DecodeDeviceConfig(const JsonField& parameters);

// The same from text; `name` is what errors call it.
Result<DeviceConfig> DecodeDeviceConfig(std::string_view json, std::string_view name);

// Lays `from` over `config`. What reaches beyond the device (vfio) counts only from a class or an
// operator: kDenied when a claim asks for it and the class has not granted it already. `where`
// names the place.
Result<> ApplyDeviceConfig(const DeviceConfig& from, ConfigSource source, std::string_view where,
                           DeviceConfig& config);

}  // namespace drapci::plugin
