// Claims by file, for nodes without an API server.
#pragma once

#include <string>

#include "plugin/kube_api.h"

namespace drapci::plugin {

// Reads `root`/NAMESPACE/NAME.json, or .yaml without such a file, at each call: whoever writes the
// files should write them as a whole (a temporary name and a rename). Namespace and name must be
// what Kubernetes allows, so that neither can leave the directory. Any thread; answers inside the
// call.
class ClaimDirectory : public KubeApi {
 public:
  explicit ClaimDirectory(std::string root);
  void GetClaim(std::string namespace_name, std::string name, std::string uid,
                std::function<void(Result<std::string>)> done) override;

 private:
  Result<std::string> Read(const std::string& namespace_name, const std::string& name) const;

  std::string root_;
};

}  // namespace drapci::plugin
