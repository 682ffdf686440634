// Claims from the API server: by name, or from a cache that a watch keeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"
#include "plugin/kube_api.h"

namespace drapci::plugin::claims {

// GET by name, repeated with back-off within `patience` (well under the kubelet's 45 s) for what
// may pass: no answer, 403 (the node authorizer learns of a new claim a moment late), 429, 5xx.
// Concurrent calls for one claim share a GET, and the patience of the first of them. With a watch
// (of all claims: it needs the permission to list and watch them, and each list passes through
// memory once), an allocated claim that it knows needs no GET. Any thread; `done` comes on the
// loop's.
class ClaimReader : public KubeApi {
 public:
  struct Options {
    std::chrono::milliseconds patience{30'000};
    bool watch = false;
    std::string driver_name;
    // The watch keeps and tells of this node's claims alone; without a name, of none.
    std::string node_name;
    std::string server;  // "https://10.0.0.1:6443", for errors
  };
  ClaimReader(kube::Loop& loop, kube::Api& api, Options options, uint64_t seed);
  // On the loop's thread, or when it runs no more. Calls that are still open are answered with an
  // error.
  ~ClaimReader() override;

  void Start();  // of the watch; on the loop's thread
  // Answers what is open, and all that comes after, with an error: nobody is to wait for a daemon
  // that stops. On the loop's thread.
  void Stop();

  void GetClaim(std::string namespace_name, std::string name, std::string uid,
                std::function<void(Result<std::string>)> done) override;

  // Each claim allocated to this driver and node that the watch sees come or change, as JSON, and
  // the UID of one that has been deleted or deallocated. On the loop's thread. Before Start().
  struct Listener {
    std::function<void(const std::string& json)> allocated;
    std::function<void(const std::string& uid)> released;
  };
  void Listen(Listener listener);
  uint64_t gets() const;  // GETs sent; any thread

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // tasks that come too late find it gone
};

}  // namespace drapci::plugin::claims
