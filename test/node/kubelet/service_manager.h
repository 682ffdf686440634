// systemd's part when it restarts the daemon: sockets that it keeps (sd_pid_notify_with_fds(3)) and
// hands to the next process (sd_listen_fds(3)).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/node/support/node.h"

namespace drapci::test {

// One thread.
class ServiceManager {
 public:
  explicit ServiceManager(const Node& node);

  // Starts the node's daemon with what is kept, and returns when it says READY=1 or has ended; then
  // the error holds its exit code.
  Result<> Start();
  void Signal(int signal) { daemon_->Signal(signal); }
  Result<int> WaitEnded();
  // Names of the sockets that are kept, with commas between.
  std::string Kept() const;

 private:
  // Takes what the daemon says; whether READY=1 was said.
  bool Hear();

  const Node& node_;
  const std::string path_;
  UniqueFd socket_;
  std::map<std::string, UniqueFd> kept_;
  std::optional<Process> daemon_;
};

}  // namespace drapci::test
