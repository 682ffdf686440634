// Error counters of GPUs by the generic netlink family `drm-ras` (drivers/gpu/drm/drm_ras.c,
// Documentation/netlink/specs/drm_ras.yaml): since Linux 7.1, so far of xe alone.
//
// Any thread; every call is one message and its answer. Needs CAP_NET_ADMIN (kDenied).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/os/netlink.h"

namespace drapci::hal {

// A set of counters of one device. Ids are new whenever a device comes: look them up each time.
struct DrmRasNode {
  uint32_t id = 0;
  std::string device;  // "0000:03:00.0"
  std::string name;    // "correctable-errors", "uncorrectable-errors"
  uint32_t type = 0;   // kErrorCounters; others are not known
  static constexpr uint32_t kErrorCounters = 1;
  bool operator==(const DrmRasNode&) const = default;
};

struct DrmRasCounter {
  std::string name;  // "device-memory"
  uint32_t value = 0;
  bool operator==(const DrmRasCounter&) const = default;
};

class DrmRas {
 public:
  // kUnsupported where the kernel has no such family. `netlink` must outlive it.
  static Result<DrmRas> Open(Netlink& netlink);

  // Of all devices.
  Result<std::vector<DrmRasNode>> Nodes() const;
  // kGone when the node has gone since it was listed.
  Result<std::vector<DrmRasCounter>> Counters(uint32_t node) const;

 private:
  DrmRas(Netlink& netlink, uint16_t family) : netlink_(netlink), family_(family) {}

  Netlink& netlink_;
  uint16_t family_;
};

// Pure; fuzzed.
std::optional<DrmRasNode> ParseDrmRasNode(std::span<const std::byte> message);
std::optional<DrmRasCounter> ParseDrmRasCounter(std::span<const std::byte> message);

}  // namespace drapci::hal
