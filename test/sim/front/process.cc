#include "test/sim/front/process.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

sigset_t Handled() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

int ExitStatus(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The parent in /proc/PID/stat: the fourth field, counted from the last ')' since names may hold
// blanks.
std::optional<pid_t> ParentOf(const char* pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  size_t at = text.rfind(") ");
  if (at == std::string::npos) return std::nullopt;
  auto fields = Split(std::string_view(text).substr(at + 2), ' ');
  return fields.size() > 1 ? ParseInt<pid_t>(fields[1]) : std::nullopt;
}

void KillChildren() {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  while (const dirent* entry = readdir(proc)) {
    auto pid = ParseInt<pid_t>(entry->d_name);
    if (pid && ParentOf(entry->d_name) == getpid()) kill(*pid, SIGKILL);
  }
  closedir(proc);
}

}  // namespace

void BlockSignals() {
  sigset_t set = Handled();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  // Orphans of the command come to us, so that they can be ended.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Result<pid_t> Start(const std::vector<std::string>& command,
                    const std::vector<std::pair<std::string, std::string>>& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<std::string> texts = command;
  std::vector<char*> arguments;
  arguments.reserve(texts.size() + 1);
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) return Fail(Error::FromErrno(errno, "fork"));
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  sigset_t set = Handled();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  execvp(arguments[0], arguments.data());
  int error = errno;
  std::string text = fmt::format("drapci-sim: {}: {}\n", command[0], strerror(error));
  std::ignore = write(STDERR_FILENO, text.data(), text.size());
  _exit(error == ENOENT ? 127 : 126);
}

int WaitFor(pid_t child) {
  sigset_t set = Handled();
  while (true) {
    int status = 0;
    for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == child) return ExitStatus(status);
    }
    int signal = 0;
    sigwait(&set, &signal);
    // SIGINT and SIGQUIT come from the terminal, which tells the command itself.
    if (signal == SIGTERM || signal == SIGHUP) kill(child, signal);
  }
}

void KillDescendants() {
  // Killing a process can hand us its children, hence again until there are none.
  do {
    KillChildren();
  } while (waitpid(-1, nullptr, 0) > 0 || errno != ECHILD);
}

}  // namespace drapci::sim
