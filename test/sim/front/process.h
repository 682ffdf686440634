// Child processes of drapci-sim.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "hal/base/result.h"

namespace drapci::sim {

// Signals that the main thread takes synchronously (SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT):
// blocked from here on in this and every later thread.
void BlockSignals();

// Starts `command` with the signal mask of before BlockSignals; it dies with this process.
// `environment` is added to ours. Call on the main thread.
Result<pid_t> Start(const std::vector<std::string>& command,
                    const std::vector<std::pair<std::string, std::string>>& environment);

// Waits for `child`, passing SIGTERM and SIGHUP on to it: its exit status, 128 + N after signal N.
int WaitFor(pid_t child);

// Ends everything that this process or its children have started and left behind.
void KillDescendants();

}  // namespace drapci::sim
