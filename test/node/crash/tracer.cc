#include "test/node/crash/tracer.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "hal/base/parse.h"

namespace drapci::test {
namespace {

// glibc's ptrace() takes its requests as an enum of its own and its numbers as pointers.
long Ptrace(int request, pid_t tid, uint64_t address, uint64_t data) {
  return ptrace(static_cast<__ptrace_request>(request), tid, reinterpret_cast<void*>(address),
                reinterpret_cast<void*>(data));
}

bool IsStopSignal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

Result<Tracer> Tracer::Attach(pid_t pid, Classifier classify) {
  Tracer tracer(pid, std::move(classify));
  DRAPCI_CHECK(tracer.AttachThreads());
  return tracer;
}

Tracer::Tracer(Tracer&& other) noexcept
    : pid_(other.pid_),
      classify_(std::move(other.classify_)),
      threads_(std::exchange(other.threads_, {})),
      killed_(other.killed_) {}

Tracer::~Tracer() {
  for (const auto& [tid, point] : threads_) {
    // A thread can be let go only while it is stopped.
    Ptrace(PTRACE_INTERRUPT, tid, 0, 0);
    int status = 0;
    if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) continue;
    const int signal = WSTOPSIG(status);
    const bool is_signal = status >> 16 == 0 && signal != (SIGTRAP | 0x80);
    Ptrace(PTRACE_DETACH, tid, 0, is_signal ? static_cast<uint64_t>(signal) : 0);
  }
}

Result<> Tracer::AttachThreads() {
  constexpr uint64_t kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
  // Until a whole pass finds nothing new: a thread not yet seized may start others.
  for (bool found = true; found;) {
    found = false;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid_), error)) {
      const auto tid = ParseInt<pid_t>(entry.path().filename().string());
      if (!tid || threads_.contains(*tid)) continue;
      if (Ptrace(PTRACE_SEIZE, *tid, 0, kOptions) != 0) {
        // EPERM: started by a seized thread, hence ours already.
        if (errno == ESRCH || errno == EPERM) continue;
        return Fail(Error::FromErrno(errno, fmt::format("ptrace of thread {}", *tid)));
      }
      Ptrace(PTRACE_INTERRUPT, *tid, 0, 0);
      threads_[*tid] = std::nullopt;
      found = true;
    }
    if (error)
      return Fail(Error::FromErrno(error.value(), fmt::format("threads of process {}", pid_)));
  }
  if (threads_.empty())
    return Fail(Code::kDenied, fmt::format("process {}: no thread can be traced", pid_));
  // The calls are seen from here on: every thread must have been stopped once.
  for (const auto& [tid, point] : threads_) {
    int status = 0;
    if (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
      Ptrace(PTRACE_SYSCALL, tid, 0, 0);
  }
  return {};
}

void Tracer::Kill() {
  killed_ = true;
  kill(pid_, SIGKILL);
}

void Tracer::OnSyscall(pid_t tid, const Hooks& hooks) {
  SyscallInfo info{};
  if (Ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, reinterpret_cast<uint64_t>(&info)) <= 0)
    return;
  std::optional<Point>& point = threads_[tid];
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    point = classify_(tid, info);
    if (point && hooks.before() == Verdict::kKill) Kill();
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && point) {
    point->result = info.exit.rval;
    if (hooks.after(*point) == Verdict::kKill) Kill();
    point.reset();
  }
}

Result<int> Tracer::RunUntilExit(pid_t command, const Hooks& hooks) {
  std::optional<int> command_status;
  for (;;) {
    if (command_status && (!killed_ || threads_.empty())) return *command_status;
    int status = 0;
    const pid_t who = waitpid(-1, &status, __WALL);
    if (who < 0 && errno == EINTR) continue;
    if (who < 0) {
      if (command_status) return *command_status;
      return Fail(Error::FromErrno(errno, "waitpid"));
    }
    if (who == command) {
      if (WIFEXITED(status) || WIFSIGNALED(status)) command_status = status;
      continue;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      threads_.erase(who);
      continue;
    }
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    int deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      if (!killed_) OnSyscall(who, hooks);
    } else if (event == PTRACE_EVENT_STOP) {
      threads_.try_emplace(who);
      if (IsStopSignal(signal)) {
        Ptrace(PTRACE_LISTEN, who, 0, 0);
        continue;
      }
    } else if (event == 0) {
      deliver = signal;
    }
    Ptrace(PTRACE_SYSCALL, who, 0, static_cast<uint64_t>(deliver));
  }
}

}  // namespace drapci::test
