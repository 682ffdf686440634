// Where claims come from: the seam towards the API server.
#pragma once

#include <functional>
#include <string>

#include "hal/base/result.h"

namespace drapci::plugin {

class KubeApi {
 public:
  virtual ~KubeApi() = default;

  // The ResourceClaim (resource.k8s.io/v1) as JSON text, to `done`, on any thread, exactly once and
  // within the implementation's own deadline (well under the kubelet's 45 s). kNotFound when there
  // is no such claim.
  // `uid` is what the caller expects; the object may still have another.
  virtual void GetClaim(std::string namespace_name, std::string name, std::string uid,
                        std::function<void(Result<std::string>)> done) = 0;
};

}  // namespace drapci::plugin
