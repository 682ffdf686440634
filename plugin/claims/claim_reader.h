// Claims from the API server: by name, or from a cache that a watch keeps.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"
#include "plugin/kube/reflector.h"
#include "plugin/kube_api.h"

namespace drapci::plugin::claims {

// GET by name, repeated with back-off within `patience` (well under the kubelet's 45 s) for what
// may pass: no answer, 403 (the node authorizer learns of a new claim a moment late), 429, 5xx.
// With a watch (of all claims: it needs the permission, and costs memory and traffic in a large
// cluster), an allocated claim that it knows needs no GET. Any thread; `done` comes on the loop's.
class ClaimReader : public KubeApi {
 public:
  struct Options {
    std::chrono::milliseconds patience{30'000};
    bool watch = false;
    std::string driver_name;
  };
  ClaimReader(kube::Loop& loop, kube::Api& api, Options options, uint64_t seed);
  ~ClaimReader() override;

  void Start();  // of the watch; on the loop's thread

  void GetClaim(std::string namespace_name, std::string name, std::string uid,
                std::function<void(Result<std::string>)> done) override;

  // Each claim allocated to this driver that the watch sees come or change, as JSON, and the UID of
  // one that has been deleted or deallocated. On the loop's thread.
  struct Listener {
    std::function<void(const std::string& json)> allocated;
    std::function<void(const std::string& uid)> released;
  };
  void Listen(Listener listener);
  uint64_t gets() const;  // GETs sent

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::claims
