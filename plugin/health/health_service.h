// The kubelet's view of the devices' condition: v1 and v1alpha1 of DRAResourceHealth.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/health/feed.h"

namespace grpc {
class Service;
}

namespace drapci::plugin::health {

// Every stream gets the full state at once, then what the feed says; of several reports that wait
// for a slow reader only the newest is sent. Must outlive the server that serves it, and not the
// feed.
class HealthService {
 public:
  explicit HealthService(HealthFeed& feed);
  ~HealthService();

  std::vector<grpc::Service*> services();
  // "v1.DRAResourceHealth", "v1alpha1.DRAResourceHealth".
  static std::vector<std::string> Versions();

  // Ends all streams (UNAVAILABLE: the kubelet asks again in five seconds), and those that come.
  void Close();

  // How many streams are open.
  size_t streams() const;

 private:
  class Hub;
  HealthFeed& feed_;
  std::unique_ptr<Hub> hub_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
};

}  // namespace drapci::plugin::health
