// The sockets that the daemon listens on, and keeping them across a restart.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

namespace drapci::plugin {

// sun_path of sockaddr_un holds 108 bytes with the final NUL (unix(7)).
inline constexpr size_t kMaxSocketPath = 107;

// kInvalid, naming the path, when it is relative or longer than kMaxSocketPath.
Result<> CheckSocketPath(const std::string& path);

// Creates `path` and its missing parents with `mode`. An existing directory is left as it is.
Result<> MakeDirectories(const std::string& path, mode_t mode);

struct SocketOptions {
  std::string path;  // its directory exists
  mode_t mode = 0600;
  std::string group;  // owning group; empty, or not known here: left as it is
  std::string name;   // what systemd keeps it under; empty: it is not kept
};

// With `keep`, every socket goes into systemd's file descriptor store (sd_pid_notify_with_fds(3)):
// while the daemon restarts, after a crash too, callers find the socket and wait in its backlog.
class ListeningSockets {
 public:
  // Takes over what systemd has kept (sd_listen_fds_with_names(3)). Once, before any thread exists.
  void Inherit();
  explicit ListeningSockets(bool keep) : keep_(keep) {}

  // A listening socket at the path: the kept one if it is still what the path leads to, else a new
  // one. A socket file that nobody serves is replaced; one that somebody serves is kBusy, and
  // anything that is no socket is kConflict. Nobody can connect before owner and mode are set.
  Result<UniqueFd> Open(const SocketOptions& options);

  // What Open would say of a path that somebody serves, or where anything but a socket is; changes
  // nothing.
  Result<> CheckFree(const SocketOptions& options) const;

  // Whether socket files stay when the daemon ends. Any thread.
  bool keep() const { return keep_; }
  void KeepNoMore() { keep_ = false; }

 private:
  std::atomic<bool> keep_;
  std::map<std::string, UniqueFd> kept_;
};

}  // namespace drapci::plugin
