// drapci.v1.Control: what the command line asks of the daemon.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "driver/health/monitor.h"
#include "driver/manager.h"

namespace grpc {
class Service;
class Status;
}  // namespace grpc

namespace drapci::plugin {

// What the daemon says about itself.
struct DaemonInfo {
  std::string version, driver_name, node_name, event_source;
};

// The ResourceSlices of this node, as JSON.
struct SlicesView {
  std::vector<std::string> slices;
  std::string trouble;               // empty: the API server has all of it; else why not
  std::vector<std::string> dropped;  // what the API server does not keep
};
// Calls `done` once, on any thread, now or later.
using SlicesProvider = std::function<void(std::function<void(SlicesView)> done)>;

// Errors become gRPC statuses whose message is the one line to show. Must outlive the server that
// serves it; any thread.
class ControlService {
 public:
  // Without `slices`, GetSlices is refused; without `monitor`, what only it knows.
  ControlService(driver::Manager& manager, DaemonInfo info, SlicesProvider slices = nullptr,
                 driver::HealthMonitor* monitor = nullptr);
  ~ControlService();

  // Ends the calls that follow events, which would go on for ever: the server is to stop.
  void EndStreams();

  std::vector<grpc::Service*> services();

 private:
  class Impl;
  std::unique_ptr<Impl> service_;
};

// The status code that stands for an error's code. kUnavailable and kUnimplemented are never among
// them: the first means that no daemon answers, the second that it is of another version.
grpc::Status StatusOf(const Error& error);

}  // namespace drapci::plugin
