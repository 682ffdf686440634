// The test API server without sockets: a request in, an answer or a stream out.
//
// Beside the Kubernetes API it has paths for tests (README.md names them), which are subject to
// neither faults nor authorization nor counters. Any thread may call; one lock is held in a call.
// Time and randomness come from Options, so that everything is repeatable.
#pragma once

#include <memory>
#include <mutex>

#include "hal/base/result.h"
#include "test/apiserver/api.h"
#include "test/apiserver/counters.h"
#include "test/apiserver/faults.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

class Server {
 public:
  // kInvalid for a version or a gate that there is not.
  static Result<std::unique_ptr<Server>> Create(Options options);

  Response Handle(const Request& request);

  // Ends watches whose time is over and sends bookmarks that are due.
  void Tick();
  void CloseWatches();
  void AddFault(Fault fault);
  // Bytes of a watch that were delivered.
  void CountStreamed(const std::string& path, size_t bytes);

  uint64_t Calls(const std::string& verb, const std::string& resource);
  uint64_t Writes();

  // The state of the server as text, and back into this server.
  std::string Dump();
  Result<> Restore(std::string_view dump);

 private:
  Server(Options options, Gates gates);

  Response Serve(const Request& request);
  Response Version() const;
  std::optional<Response> Control(const Request& request);
  Response PostFault(const Request& request);
  Response PutAuthorization(const Request& request);
  std::optional<User> Authenticate(const Request& request) const;

  std::mutex mutex_;
  Options options_;
  Api api_;
  Faults faults_;
  Counters counters_;
};

}  // namespace drapci::apiserver
