// HTTP/1.1 and TLS around the core: one thread for each connection.
//
// Every method may be called from any thread. Errors come from Start() alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "hal/base/result.h"
#include "test/apiserver/server.h"

namespace drapci::apiserver {

struct FrontOptions {
  std::string host = "127.0.0.1";
  int port = 0;             // 0: any free one
  std::string certificate;  // PEM files; empty: plain HTTP
  std::string key;
  std::string client_ca;  // when given, client certificates are asked for, not demanded
};

class HttpFront {
 public:
  HttpFront(Server& server, FrontOptions options);
  ~HttpFront();  // stops
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  // Listens, and serves on threads of its own. The port that was taken.
  Result<int> Start();
  // Ends watches and connections; they are gone when this returns.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::apiserver
