// The machine under test: drapcid with its directories, and drapci to talk to it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "test/node/support/process.h"

namespace drapci::test {

// Where the programs are: the environment variables DRAPCID, DRAPCI, CRASHPOINT and DRAPCI_SIM, or
// their plain names.
struct Programs {
  std::string daemon, cli, crashpoint, sim;
  static Programs FromEnvironment();
};

// A temporary directory with everything that one daemon writes; removed at the end.
class Scratch {
 public:
  // Below `parent`, but the CDI directory and the sockets always below /run, as on a real machine:
  // in memory, where a file is durable at no cost. In memory too by default: a SIGKILL loses
  // nothing either way.
  explicit Scratch(const std::string& parent = "/run");
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string root, state_parent, state_dir, cdi_dir, kubelet_root, claim_dir, socket, log;
  // Empty directories again, as on a node that has just been installed.
  void Clear() const;
  // A file of the operator's beside them, such as a configuration; its path. Clear leaves it.
  std::string Write(const std::string& name, const std::string& text) const;
};

// A claim as one says it to `drapci prepare`.
struct ClaimSpec {
  std::string name, device;
  bool vfio = false;
  std::vector<std::string> options = {};  // others of the command, such as --share
};

class Node {
 public:
  Node(Programs programs, const Scratch& scratch,
       std::vector<std::string> daemon_options = {"--standalone"});

  // The daemon's command line. Without --kubelet-root when the scratch directory names none: the
  // configuration does then.
  std::vector<std::string> DaemonCommand() const;
  // Starts the daemon and returns when it says READY=1. An error holds the end of its log.
  Result<> Start();
  Result<> Stop();       // SIGTERM; an error unless it ends with 0
  Result<> Kill();       // SIGKILL
  Result<> WaitEnded();  // after somebody else killed it
  bool running() const { return daemon_.has_value(); }
  pid_t pid() const { return daemon_->pid(); }
  std::chrono::microseconds start_time() const {
    return start_time_;
  }  // exec to READY=1, of the last Start

  // `drapci ARGUMENTS...` on this daemon.
  Result<Finished> Cli(std::vector<std::string> arguments) const;
  // The same, and an error that quotes it unless it exits with 0.
  Result<std::string> CliDone(std::vector<std::string> arguments) const;
  Result<> CliDo(std::vector<std::string> arguments) const;  // CliDone without the text
  std::vector<std::string> PrepareArguments(const ClaimSpec& claim) const;
  std::vector<std::string> CliCommand(std::vector<std::string> arguments) const;

  // The state that `drapci claims` gives for the claim of that name; empty when it is not listed.
  Result<std::string> ClaimState(const std::string& name) const;
  // Names of the files in the CDI directory that a container runtime would read.
  std::vector<std::string> CdiFiles() const;

  const Scratch& scratch() const { return scratch_; }
  const Programs& programs() const { return programs_; }

 private:
  std::string LogTail() const;

  Programs programs_;
  const Scratch& scratch_;
  std::vector<std::string> daemon_options_;
  std::optional<Process> daemon_;
  std::chrono::microseconds start_time_{};
};

// "9.8 MB, of it 3.1 MB anonymous", of a process, from /proc/PID/smaps_rollup.
std::string ResidentMemory(pid_t pid);

}  // namespace drapci::test
