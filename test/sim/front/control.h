// The injection socket of a running simulated machine.
//
// One request a connection: words separated by the unit separator (0x1f), ended by shutting down
// the sending side. The answer is an exit status digit and the text to print: 0 done, 1 refused, 2
// usage.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

inline constexpr const char* kSocketVariable = "DRAPCI_SIM_SOCKET";
inline constexpr char kSeparator = '\x1f';

struct Answer {
  int status = 0;
  std::string text;
};

// Signals the process that makes the N-th accepted write from now. Any thread.
class WriteTrap {
 public:
  void Arm(int writes, int signal);
  void Disarm() { Arm(0, 0); }
  // A write of this thread (pid) was accepted.
  void Accepted(int pid);

 private:
  std::mutex mutex_;
  int left_ = 0, signal_ = 0;
};

// Does what `words` say: fault, delay, hold, release, vf-delay, fewer-vfs, vf-settings, carrier,
// unplug, plug, set, aer, event, writes, clear, kill-after, stop-at, and those of conditions.h.
Answer Execute(Kernel& kernel, WriteTrap& trap, const std::vector<std::string>& words);

class ControlServer {
 public:
  ControlServer(Kernel& kernel, WriteTrap& trap) : kernel_(kernel), trap_(trap) {}
  // Listens at `path` (its directory is made) and serves until the process ends.
  Result<> Start(const std::string& path);

 private:
  void Serve(UniqueFd connection);
  Kernel& kernel_;
  WriteTrap& trap_;
  UniqueFd listener_;
};

// The client's side: sends `words` to the socket named by DRAPCI_SIM_SOCKET.
Result<Answer> Ask(const std::vector<std::string>& words);

}  // namespace drapci::sim
