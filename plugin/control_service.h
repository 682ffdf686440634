// drapci.v1.Control: what the command line asks of the daemon.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

// Errors become gRPC statuses whose message is the one line to show. Must outlive the server that
// serves it; any thread.
class ControlService {
 public:
  ControlService(driver::Manager& manager, DaemonInfo info);
  ~ControlService();

  std::vector<grpc::Service*> services();

 private:
  std::unique_ptr<grpc::Service> service_;
};

// The status code that stands for an error's code. kUnavailable and kUnimplemented are never among
// them: the first means that no daemon answers, the second that it is of another version.
grpc::Status StatusOf(const Error& error);

}  // namespace drapci::plugin
