// Claims as the API server would hand them out, as files below --claim-directory.
#pragma once

#include <string>
#include <vector>

namespace drapci::test {

struct ClaimObject {
  std::string uid, name, namespace_name = "default";
  struct Result {
    std::string request, device;
    std::string driver = "dra.pci";
  };
  std::vector<Result> results = {};  // none: not allocated yet
  bool vfio = false;                 // asked for by the DeviceClass, for every request
};

// A ResourceClaim (resource.k8s.io/v1) as JSON.
std::string ClaimJson(const ClaimObject& claim);

// Writes `directory`/NAMESPACE/NAME.json as a whole, and removes it.
void PutClaim(const std::string& directory, const ClaimObject& claim);
void DropClaim(const std::string& directory, const ClaimObject& claim);

}  // namespace drapci::test
