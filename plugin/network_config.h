// NetworkConfig: what a claim or a DeviceClass may say about the network interface of a device.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hal/accel/network.h"
#include "hal/base/result.h"
#include "plugin/config_source.h"
#include "plugin/json.h"

namespace drapci::plugin {

// What was not asked for stays empty.
struct NetworkConfig {
  hal::VfSettings vf;                    // mac, vlan, ..., linkState; rates in whole Mbit/s
  std::optional<std::string> interface;  // its name in the container
  std::optional<int64_t> mtu;
  std::optional<std::vector<std::string>> addresses;  // canonical "10.0.0.2/24"
  std::optional<bool> stay;                           // namespace: host
  std::optional<bool> advisory_rate;                  // bandwidth: advisory
  bool operator==(const NetworkConfig&) const = default;
};

// Strict: kInvalid names the field. Pure; fuzzed.
Result<NetworkConfig> DecodeNetworkConfig(const JsonField& parameters);

// Lays `from` over `to`. kDenied when a claim asks for what its class has to grant: the VLAN,
// trust, no spoof check, the link's state, a guaranteed rate or more than the class's limit, an
// interface that stays in the host's namespace, a bandwidth that nobody is held to.
Result<> Overlay(const NetworkConfig& from, const ConfigOverlay& overlay, NetworkConfig& to);

// As the driver takes it.
hal::NetworkRequest ToNetworkRequest(const NetworkConfig& config);

}  // namespace drapci::plugin
