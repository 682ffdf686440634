// Programs started by the node tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

namespace drapci::test {

struct Finished {
  int code = 0;  // exit code; 128 + signal when it was killed
  std::string out, err;
};

// Runs `command` to its end.
Result<Finished> RunCommand(const std::vector<std::string>& command);

// Asks again, for a while, until it is true. For what another process does in its own time.
bool Soon(const std::function<bool()>& done,
          std::chrono::milliseconds within = std::chrono::seconds(20));

// A program that goes on running; killed and reaped when this goes.
class Process {
 public:
  // `log` receives standard output and standard error, appended. `environment` is laid over ours.
  // `descriptors` become 3, 4, ... there.
  static Result<Process> Start(const std::vector<std::string>& command, const std::string& log,
                               const std::vector<std::string>& environment = {},
                               const std::vector<int>& descriptors = {});
  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once the process has ended
  void Signal(int signal) const;
  // Its exit code, as in Finished. kTimeout when it still runs at the deadline.
  Result<int> Wait(std::chrono::milliseconds within);

 private:
  explicit Process(pid_t pid);
  pid_t pid_ = 0;
  UniqueFd pidfd_;
};

}  // namespace drapci::test
