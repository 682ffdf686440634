// Device metadata files (KEP-5304): what a container's processes can read about its devices.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver/inventory.h"
#include "driver/record.h"
#include "hal/base/result.h"
#include "hal/os/state_dir.h"

namespace drapci::plugin::claims {

// What the claim says of its identity beyond what its record keeps; each may be empty.
struct MetadataClaim {
  // "resource.kubernetes.io/pod-claim-name"; empty: the record's alias; that empty too: a claim of
  // its own, not made from a template.
  std::string pod_claim_name;
  // "req" to "req/sub", where a subrequest was chosen.
  std::map<std::string, std::string> full_requests;
};

// Of a ResourceClaim as JSON.
Result<MetadataClaim> MetadataClaimOf(std::string_view json, std::string_view driver_name);

// The text of one request's file: one object a line, newest API version first. kNotFound when the
// claim has no such request, or is not prepared. Pure; never throws.
Result<std::string> MetadataText(std::string_view driver_name, const driver::ClaimRecord& record,
                                 std::string_view request, const MetadataClaim& claim,
                                 const driver::Snapshot& snapshot, int64_t generation);

// Writes, for every request of the claim, the file and the CDI spec that mounts it; returns the CDI
// id for each request, which belongs to the first device of that request. A file that is there
// already is changed in place, as containers have it mounted, its generation counted up, and only
// when something in it is different. Removing what is not there is success. Files lie in
// `directory`/UID/REQUEST/metadata.json. Blocks on the disk; any thread, but one call for a claim
// at a time. Made before anybody writes to the CDI directory, whose leftovers it sweeps.
class MetadataFiles {
 public:
  MetadataFiles(std::string directory, std::string cdi_directory, std::string driver_name);
  ~MetadataFiles();
  struct RequestId {
    std::string request, cdi_id;
  };
  Result<std::vector<RequestId>> Write(const driver::ClaimRecord& record,
                                       const MetadataClaim& claim,
                                       const driver::Snapshot& snapshot);
  Result<> Remove(std::string_view uid);

 private:
  Result<> WriteFile(const driver::ClaimRecord& record, const std::string& request,
                     const MetadataClaim& claim, const driver::Snapshot& snapshot);
  Result<> WriteSpec(const driver::ClaimRecord& record, const std::string& request,
                     const MetadataClaim& claim);
  std::string DirectoryOf(std::string_view uid, std::string_view request) const;

  Result<hal::StateDir*> CdiDirectory() const;

  const std::string directory_, cdi_directory_, driver_name_;
  std::unique_ptr<hal::StateDir> cdi_;  // null when it could not be opened
};

}  // namespace drapci::plugin::claims
