// Claims that are held here and that nobody will ever release: the kubelet lost its state, or the
// node was re-imaged.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "driver/manager.h"
#include "plugin/claims/events.h"
#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::claims {

// At start and every `period`, asks the API server for each held claim that came from it. One that
// is gone, has another UID or is no longer allocated to devices of this driver is released after it
// has been seen so for `grace`, and only on a clear answer (404, or the object); with an event and
// a log line. On the loop's thread.
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

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::claims
