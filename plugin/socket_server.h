// A gRPC server on one unix socket.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "hal/base/result.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace drapci::plugin {

// sun_path of sockaddr_un holds 108 bytes with the final NUL (unix(7)).
inline constexpr size_t kMaxSocketPath = 107;

// kInvalid, naming the path, when it is relative or longer than kMaxSocketPath.
Result<> CheckSocketPath(const std::string& path);

// Creates `path` and its missing parents with `mode`. An existing directory is left as it is.
Result<> MakeDirectories(const std::string& path, mode_t mode);

class SocketServer {
 public:
  struct Options {
    std::string path;  // its directory exists
    mode_t mode = 0600;
    std::string group;  // owning group; empty, or not known here: left as it is
  };

  // Serves `services`, which must outlive the server. A socket file that nobody serves is replaced;
  // one that somebody serves is kBusy, and anything that is no socket is kConflict. Nobody but the
  // owner can connect before `mode` is set, provided that the process's umask withholds write
  // permission.
  static Result<std::unique_ptr<SocketServer>> Start(const Options& options,
                                                     std::span<grpc::Service* const> services);
  // Stops without a grace.
  ~SocketServer();

  // Takes the socket's name away: nobody new finds it, connections and calls go on.
  void Unlink();

  // No new calls; those that run may finish until `grace` has passed and are then cancelled.
  // Returns when the last handler has: what a handler waits for must still be running.
  void Stop(std::chrono::milliseconds grace);

 private:
  SocketServer(std::string path, std::unique_ptr<grpc::Server> server);

  std::string path_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace drapci::plugin
