// A gRPC server on one unix socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

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
  // Serves `services` on a socket of `sockets`; both must outlive the server.
  static Result<std::unique_ptr<SocketServer>> Start(ListeningSockets& sockets,
                                                     const SocketOptions& options,
                                                     std::span<grpc::Service* const> services);
  // Stops without a grace.
  ~SocketServer();

  // Has the thread that accepts callers call `answer`, which must not block. Any thread.
  void Ask(std::function<void()> answer);

  // Takes the socket's name away, unless it is to outlive the daemon: nobody new finds it,
  // connections and calls go on.
  void Unlink();

  // Callers are asked to go (HTTP/2 GOAWAY) and served until they have; calls that still run after
  // that may finish until `grace` has passed and are then cancelled. Who connects meanwhile waits
  // for the next server, if the socket is kept. Returns when the last handler has: what a handler
  // waits for must still be running.
  void Stop(std::chrono::milliseconds grace);

 private:
  SocketServer(std::string path, const ListeningSockets& sockets, UniqueFd listener, UniqueFd stop,
               UniqueFd question, std::unique_ptr<grpc::Server> server);
  void Accept();
  void TakeCaller();
  void AnswerQuestions();
  void ReportAndPause(const char* doing);  // errno
  bool StopIsAsked() const;
  void SendCallersAway();

  const std::string path_;
  const ListeningSockets& sockets_;
  UniqueFd listener_;
  UniqueFd stop_;      // an eventfd
  UniqueFd question_;  // another
  std::unique_ptr<grpc::Server> server_;
  std::vector<UniqueFd> callers_;  // duplicates, of the acceptor's thread alone
  std::mutex mutex_;
  std::vector<std::function<void()>> questions_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace drapci::plugin
