// Opaque configuration: what a claim or a DeviceClass may say to this driver about a device.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "hal/accel/accelerator.h"
#include "hal/base/result.h"
#include "plugin/config_source.h"
#include "plugin/json.h"
#include "plugin/network_config.h"

namespace drapci::plugin {

inline constexpr std::string_view kConfigApiVersion = "config.dra.pci/v1alpha1";

// What was asked for; what was not stays empty.
struct DeviceConfig {
  std::optional<hal::Access> access;       // AccessConfig{driver: kernel|vfio}
  std::optional<NetworkConfig> network;    // NetworkConfig{...}
  std::optional<hal::ImageRequest> image;  // FpgaConfig{image, digest}
};

// Decodes `parameters` strictly: an unknown kind, field or value is kInvalid and names its path.
// Whether the writer may ask for it is Apply's business.
Result<DeviceConfig> DecodeDeviceConfig(const JsonField& parameters);

// The same from text; `name` is what errors call it.
Result<DeviceConfig> DecodeDeviceConfig(std::string_view json, std::string_view name);

// Lays `from` over `config`, field by field. What reaches beyond the device (vfio), or beyond what
// its user may decide, counts only from a class or an operator: kDenied when a claim asks for it
// and the class has not granted the same already. `where` names the place.
Result<> ApplyDeviceConfig(const DeviceConfig& from, ConfigSource source, std::string_view where,
                           DeviceConfig& config);

// Puts the whole configuration into the request. One that looks on (admin_access) gets no network
// and programs nothing.
void ConfigureRequest(const DeviceConfig& config, driver::DeviceRequest& device);

// kInvalid when two devices of a claim ask for the same interface name, MAC or address: all of
// them end up in one pod.
Result<> CheckInterfaces(const std::vector<driver::DeviceRequest>& devices);

}  // namespace drapci::plugin
