// Follows every thread of a running process through its system calls, by ptrace(2).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>

#include "hal/base/result.h"
#include "test/node/crash/point.h"

namespace drapci::test {

// One thread only: ptrace belongs to the thread that attached. When the tracer goes away, the
// process runs on unobserved.
class Tracer {
 public:
  Tracer(Tracer&& other) noexcept;
  Tracer& operator=(Tracer&&) = delete;
  ~Tracer();

  // What the call that `tid` is entering does, if it is of interest.
  using Classifier = std::function<std::optional<Point>(pid_t tid, const SyscallInfo& entry)>;

  // Attaches to all threads of `pid`, those still to come included.
  static Result<Tracer> Attach(pid_t pid, Classifier classify);

  enum class Verdict { kGoOn, kKill };  // kKill: SIGKILL to the whole process, at once
  struct Hooks {
    std::function<Verdict()> before;             // a point is about to happen; killed, it does not
    std::function<Verdict(const Point&)> after;  // it has happened
  };

  // Lets the process run until `command` (a child of ours) has exited and, when the process was
  // killed, until that is gone. The exit status of `command`, as waitpid(2) gave it.
  Result<int> RunUntilExit(pid_t command, const Hooks& hooks);

 private:
  Tracer(pid_t pid, Classifier classify) : pid_(pid), classify_(std::move(classify)) {}
  Result<> AttachThreads();
  void OnSyscall(pid_t tid, const Hooks& hooks);
  void Kill();

  pid_t pid_;
  Classifier classify_;
  std::map<pid_t, std::optional<Point>> threads_;  // the point that the thread is in the middle of
  bool killed_ = false;
};

}  // namespace drapci::test
