// A small HTTP/1.1 server on 127.0.0.1 that answers byte by byte as a test wants. One thread for
// each connection; what is asked for here may be called on any thread.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "hal/base/unique_fd.h"
#include "test/unit/kube/certificates.h"

namespace drapci::plugin::kube {

class HttpServer {
 public:
  struct Request {
    std::string method, target, body;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string client;                          // the name in the client's certificate
    int connection = 0;                          // 1, 2, ...
  };
  // The way back to the client.
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual void Write(std::string_view text) = 0;
    virtual void Close() = 0;          // after the handler
    virtual void Reset() = 0;          // at once, with a RST
    virtual void WaitForClient() = 0;  // until it hangs up, or the server goes
    void Answer(int status, std::string_view body, std::string_view headers = "");
    void Chunk(std::string_view text);
  };
  using Handler = std::function<void(const Request&, Writer&)>;
  struct Tls {
    Identity identity;
    std::string client_authority;  // empty: clients need no certificate
  };

  explicit HttpServer(Handler handler, std::optional<Tls> tls = std::nullopt);
  ~HttpServer();

  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void Accept();
  void Serve(int fd, int number);

  const Handler handler_;
  const std::optional<Tls> tls_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::list<UniqueFd> sockets_;     // guarded by mutex_; open until the end
  std::list<std::thread> threads_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace drapci::plugin::kube
