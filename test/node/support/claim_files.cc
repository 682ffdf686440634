#include "test/node/support/claim_files.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace drapci::test {
namespace fs = std::filesystem;
using nlohmann::json;

std::string ClaimJson(const ClaimObject& claim) {
  json requests = json::array(), results = json::array();
  for (const auto& result : claim.results) {
    requests.push_back({{"name", result.request.substr(0, result.request.find('/'))},
                        {"exactly", {{"deviceClassName", "pci"}}}});
    results.push_back({{"request", result.request},
                       {"driver", result.driver},
                       {"pool", "node"},
                       {"device", result.device}});
  }
  json object{
      {"apiVersion", "resource.k8s.io/v1"},
      {"kind", "ResourceClaim"},
      {"metadata", {{"name", claim.name}, {"namespace", claim.namespace_name}, {"uid", claim.uid}}},
      {"spec", {{"devices", {{"requests", requests}}}}}};
  if (claim.results.empty()) return object.dump();
  json devices{{"results", results}};
  if (claim.vfio) {
    const json parameters{
        {"apiVersion", "config.dra.pci/v1alpha1"}, {"kind", "AccessConfig"}, {"driver", "vfio"}};
    devices["config"] =
        json::array({{{"source", "FromClass"},
                      {"opaque", {{"driver", "dra.pci"}, {"parameters", parameters}}}}});
  }
  object["status"] = {{"allocation", {{"devices", devices}}}};
  return object.dump();
}

void PutClaim(const std::string& directory, const ClaimObject& claim) {
  const fs::path folder = fs::path(directory) / claim.namespace_name;
  fs::create_directories(folder);
  std::ofstream(folder / ".new") << ClaimJson(claim);
  fs::rename(folder / ".new", folder / (claim.name + ".json"));
}

void DropClaim(const std::string& directory, const ClaimObject& claim) {
  fs::remove(fs::path(directory) / claim.namespace_name / (claim.name + ".json"));
}

}  // namespace drapci::test
