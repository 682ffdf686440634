// Device metadata files (KEP-5304): what a container's processes can read about its devices.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "driver/inventory.h"
#include "driver/record.h"
#include "hal/base/result.h"
#include "hal/os/state_dir.h"

namespace drapci::plugin::claims {

// The identity that the kubelet gives to the container path, from the claim's annotation.
struct MetadataClaim {
  std::string pod_claim_name;  // "resource.kubernetes.io/pod-claim-name"; empty: a claim of its own
};

// The text of one request's file: concatenated objects, newest API version first. Pure.
std::string MetadataText(std::string_view driver_name, const driver::ClaimRecord& record,
                         std::string_view request, const MetadataClaim& claim,
                         const driver::Snapshot& snapshot, int64_t generation);

// Writes, for every request of the claim, the file and the CDI spec that mounts it; returns the CDI
// id for each request. Removing what is not there is success. Files lie in
// `directory`/UID/REQUEST/metadata.json.
class MetadataFiles {
 public:
  MetadataFiles(std::string directory, std::string cdi_directory, std::string driver_name);
  struct RequestId {
    std::string request, cdi_id;
  };
  Result<std::vector<RequestId>> Write(const driver::ClaimRecord& record,
                                       const MetadataClaim& claim,
                                       const driver::Snapshot& snapshot);
  Result<> Remove(std::string_view uid);

 private:
  const std::string directory_, cdi_directory_, driver_name_;
};

}  // namespace drapci::plugin::claims
