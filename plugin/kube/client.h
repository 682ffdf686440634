// The API client of the daemon.
#pragma once

#include <memory>
#include <string>

#include "plugin/kube/api.h"
#include "plugin/kube/credential_store.h"
#include "plugin/kube/loop.h"
#include "plugin/kube/transport.h"

namespace drapci::plugin::kube {

struct ClientOptions {
  std::string version = "0";  // of drapci, for the User-Agent
  std::string node;
  // One node never floods a server: more wait for their turn. Watches count for the rate only.
  size_t most_calls = 8;
  // Calls and watches begun a second. High: a prepare waits for its claim, and each in a burst of
  // pods needs one; the number of calls side by side is what keeps the server safe.
  double rate = 1000;
  double burst = 1000;
  size_t most_line = size_t{4} << 20;  // bytes of one watch event
};

// Calls begin in the order in which they are made; a time-out counts from Call(), waiting included.
// For a watch, ApiRequest::timeout is how long the head of the answer may take.
//
// Credentials may be missing at first: calls fail with the reason, and each looks again. When a
// certificate changes, new calls go over new connections; so they do after a time-out.
class Client : public Api {
 public:
  Client(Loop& loop, CredentialStore::Source source, MakeTransport make_transport,
         ClientOptions options);
  ~Client() override;  // with calls in flight, too: no callback comes any more

  CallId Call(ApiRequest request, std::function<void(ApiResult)> done) override;
  CallId Watch(ApiRequest request, std::chrono::milliseconds silence,
               std::function<void(std::string_view)> event,
               std::function<void(ApiFailure)> end) override;
  void Cancel(CallId call) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::kube
