#include "test/node/support/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace drapci::test {
namespace {

// A posix_spawn with its file actions and environment.
class Spawn {
 public:
  Spawn() { posix_spawn_file_actions_init(&actions_); }
  ~Spawn() { posix_spawn_file_actions_destroy(&actions_); }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  void Redirect(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  Result<pid_t> Run(const std::vector<std::string>& command,
                    const std::vector<std::string>& environment) {
    std::vector<char*> arguments, variables;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    for (const std::string& word : environment)
      variables.push_back(const_cast<char*>(word.c_str()));
    for (char** entry = environ; *entry != nullptr; ++entry)
      variables.push_back(*entry);  // the first one counts
    variables.push_back(nullptr);
    pid_t pid = 0;
    if (int error = posix_spawnp(&pid, arguments[0], &actions_, nullptr, arguments.data(),
                                 variables.data())) {
      return Fail(Error::FromErrno(error, command[0]));
    }
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
};

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Fail(Error::FromErrno(errno, "pipe"));
  return Pipe{.read = UniqueFd(fds[0]), .write = UniqueFd(fds[1])};
}

// Everything from both pipes, until both are closed.
void ReadBoth(Pipe& out, Pipe& err, Finished& finished) {
  std::array<pollfd, 2> fds{pollfd{.fd = out.read.get(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = err.read.get(), .events = POLLIN, .revents = 0}};
  std::array<std::string*, 2> texts{&finished.out, &finished.err};
  std::array<char, 16 * 1024> buffer;
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t got = read(fds[i].fd, buffer.data(), buffer.size());
      if (got > 0) {
        texts[i]->append(buffer.data(), static_cast<size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        fds[i].fd = -1;
      }
    }
  }
}

}  // namespace

Result<Finished> RunCommand(const std::vector<std::string>& command) {
  DRAPCI_TRY(Pipe out, MakePipe());
  DRAPCI_TRY(Pipe err, MakePipe());
  Spawn spawn;
  spawn.Redirect(out.write.get(), STDOUT_FILENO);
  spawn.Redirect(err.write.get(), STDERR_FILENO);
  DRAPCI_TRY(const pid_t pid, spawn.Run(command, {}));
  out.write.Reset();
  err.write.Reset();
  Finished finished;
  ReadBoth(out, err, finished);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return Fail(Error::FromErrno(errno, "waitpid"));
  finished.code = ExitCode(status);
  return finished;
}

bool Soon(const std::function<bool()>& done, std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, 10);
  }
  return true;
}

Process::Process(pid_t pid)
    : pid_(pid), pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Process::~Process() {
  if (!pidfd_) return;  // moved from, or waited for
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<Process> Process::Start(const std::vector<std::string>& command, const std::string& log,
                               const std::vector<std::string>& environment,
                               const std::vector<int>& descriptors) {
  UniqueFd output(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!output) return Fail(Error::FromErrno(errno, log));
  Spawn spawn;
  spawn.Redirect(output.get(), STDOUT_FILENO);
  spawn.Redirect(output.get(), STDERR_FILENO);
  std::vector<UniqueFd> above;  // where none is overwritten before it has been passed on
  for (const int descriptor : descriptors) {
    above.emplace_back(fcntl(descriptor, F_DUPFD_CLOEXEC, 100));
    spawn.Redirect(above.back().get(), static_cast<int>(2 + above.size()));
  }
  DRAPCI_TRY(const pid_t pid, spawn.Run(command, environment));
  return Process(pid);
}

void Process::Signal(int signal) const {
  if (pidfd_) kill(pid_, signal);
}

Result<int> Process::Wait(std::chrono::milliseconds within) {
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, static_cast<int>(within.count())) != 1) {
    return Fail(Code::kTimeout,
                fmt::format("process {} still runs after {} ms", pid_, within.count()));
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pidfd_.Reset();
  return ExitCode(status);
}

}  // namespace drapci::test
