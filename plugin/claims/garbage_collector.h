// Claims that are held here and that nobody will ever release: the kubelet lost its state, or the
// node was re-imaged.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "driver/manager.h"
#include "plugin/claims/events.h"
#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::claims {

// At start and every `period`, asks the API server for each held claim that came from it, one after
// the other. One that is gone, has another UID or is no longer allocated to any device that it
// holds here is released after it has been seen so for `grace`, and only on a clear answer (a 404
// that names the claim, or the object); with an event and a log line. A release that fails is tried
// again in the next round. On the loop's thread.
class GarbageCollector {
 public:
  struct Options {
    std::chrono::seconds period{600}, grace{600};
    std::string driver_name;
  };
  GarbageCollector(kube::Loop& loop, kube::Api& api, driver::Manager& manager, Events& events,
                   Options options);
  ~GarbageCollector();
  void Start();
  uint64_t released() const;  // claims

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // answers that come too late find it gone
};

}  // namespace drapci::plugin::claims
