// Keeps the node's ResourceSlices as its inventory says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"
#include "plugin/slices/model.h"
#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {

struct PublisherCounts {
  uint64_t creates = 0, updates = 0, deletes = 0;  // that the server has done
  uint64_t reads = 0;                              // lists, and single objects asked for
  uint64_t probes = 0;                             // dry runs, which change nothing
  uint64_t failures = 0;                           // writes and probes without a good answer
};

// On the loop's thread. Lists and watches the slices of this driver and node, compares, writes;
// repairs what others change or delete; backs off when the server refuses or does not answer.
// Slices stay when the daemon stops. A pool that the API would refuse is not written; trouble()
// says why.
class Publisher {
 public:
  // Pools for what the server can keep.
  using Inventory = std::function<std::vector<Pool>(const Features&)>;

  Publisher(kube::Loop& loop, kube::Api& api, Owner owner, Inventory inventory, uint64_t seed);
  ~Publisher();

  void Start();
  // The inventory may have changed; many calls make one publication.
  void Changed();

  const PublisherCounts& counts() const;
  // Empty: the server has everything as it is now. Else why not, for people.
  std::string trouble() const;
  // What the server is known to drop: "DRAPartitionableDevices is off: ...", for people and events.
  std::vector<std::string> dropped() const;
  // The slices as they are stored, as JSON, in their order; as they would be before the server has
  // been heard of.
  std::vector<std::string> Slices() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The slices that would be published, as JSON, without a server to publish them on.
std::vector<std::string> Preview(const Owner& owner, const std::vector<Pool>& pools);

}  // namespace drapci::plugin::slices
