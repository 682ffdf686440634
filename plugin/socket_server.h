// A gRPC server on one unix socket.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/listening_sockets.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace drapci::plugin {

class SocketServer {
 public:
  // Serves `services`, which must outlive the server, on a socket of `sockets`.
  static Result<std::unique_ptr<SocketServer>> Start(ListeningSockets& sockets,
                                                     const SocketOptions& options,
                                                     std::span<grpc::Service* const> services);
  // Stops without a grace.
  ~SocketServer();

  // Takes the socket's name away, unless it is to outlive the daemon: nobody new finds it,
  // connections and calls go on.
  void Unlink();

  // No new calls; those that run may finish until `grace` has passed and are then cancelled. Who
  // connects meanwhile waits for the next server, if the socket is kept. Returns when the last
  // handler has: what a handler waits for must still be running.
  void Stop(std::chrono::milliseconds grace);

 private:
  SocketServer(std::string path, bool keep, UniqueFd listener, UniqueFd stop,
               std::unique_ptr<grpc::Server> server);
  void Accept();

  const std::string path_;
  const bool keep_;
  UniqueFd listener_;
  UniqueFd stop_;  // an eventfd
  std::unique_ptr<grpc::Server> server_;
  std::thread acceptor_;
};

}  // namespace drapci::plugin
