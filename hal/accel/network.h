// What a claim may say about the network interface of a device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hal/net/vf_settings.h"

namespace drapci::hal {

struct NetworkRequest {
  VfSettings vf;          // of the PF's driver; only VFs have it
  std::string interface;  // its name in the container; empty: the name that it has in the host
  std::optional<int64_t> mtu;
  std::vector<std::string> addresses;  // canonical "10.0.0.2/24"
  bool stay = false;                   // leave the interface in the host's network namespace
  bool advisory_rate = false;          // a rate that the kernel refuses does not fail the prepare
  bool operator==(const NetworkRequest&) const = default;
};

}  // namespace drapci::hal
