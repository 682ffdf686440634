// Kubernetes Events (events.k8s.io/v1) about the node and its claims.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::claims {

// What an event is about.
struct EventSubject {
  std::string api_version, kind, namespace_name, name, uid;
};

struct EventCounts {
  uint64_t sent = 0;     // that the server has taken
  uint64_t merged = 0;   // that came again too soon
  uint64_t dropped = 0;  // that were refused, or too many
};

// Best effort, on the loop's thread: the same event again within ten minutes is counted and not
// sent, at most 32 are waiting, a refusal is told once in the log.
class Events {
 public:
  Events(kube::Loop& loop, kube::Api& api, std::string driver_name, std::string node_name);
  ~Events();
  // `warning`: type Warning, else Normal. `reason` is one word: "ClaimReleased".
  void Tell(const EventSubject& subject, bool warning, std::string reason, std::string note);
  const EventCounts& counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::claims
