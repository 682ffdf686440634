// What a workload was given, in the driver's own words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hal/accel/accelerator.h"
#include "hal/accel/container_edits.h"

namespace drapci::driver {

// One device of a claim.
struct DeviceRequest {
  std::vector<std::string> request_names;  // the claim's requests that this device answers
  std::vector<std::string> subrequests;    // "req/sub", where one of a list of choices was taken
  std::string pool;                        // echoed; the driver finds devices by name alone
  std::string device;                      // "pci-0000-02-00-0" or "pci-0000-02-00-0-vf3"
  std::string share_id;                    // one consumer's portion; empty: the whole device
  bool admin_access = false;               // looks on: holds nothing, changes nothing
  hal::Access access = hal::Access::kKernel;
  std::map<std::string, int64_t> share;  // what of the device's capacities; with a share_id only
  std::optional<hal::NetworkRequest> network;
  std::optional<hal::ImageRequest> image;  // for an FPGA slot
  bool operator==(const DeviceRequest&) const = default;
};

// One claim to prepare. Checked by the manager, not trusted.
struct ClaimRequest {
  std::string uid;  // the key of everything; names may repeat
  std::string namespace_name;
  std::string name;
  std::string alias;  // what its user calls it, when that is not its name
  std::vector<DeviceRequest> devices;
  bool operator==(const ClaimRequest&) const = default;
};

// A device of a prepared claim.
struct PreparedDevice {
  DeviceRequest request;
  std::string accelerator;
  std::string part;
  std::string address;  // of the PCI function that it is; empty: none of its own
  std::vector<hal::ContainerInterface> interfaces;  // that the container gets
  std::vector<std::string> cdi_ids;  // fully qualified: "dra.pci/claim=pci-0000-02-00-0-vf3-<uid>"
  bool operator==(const PreparedDevice&) const = default;
};

struct PreparedClaim {
  std::vector<PreparedDevice> devices;
  bool operator==(const PreparedClaim&) const = default;
};

// Limits on what a caller may send; beyond them a claim is refused.
inline constexpr size_t kMaxDevicesPerClaim = 32;
inline constexpr size_t kMaxUidLength = 64;

// A UID becomes part of file names: letters, digits and '-' only, 1 to kMaxUidLength of them.
bool IsValidUid(std::string_view uid);

}  // namespace drapci::driver
