// crashpoint: kills a daemon right after its N-th change of hardware, journal or CDI directory.
//
//   crashpoint --pid PID --state-dir DIR --cdi-dir DIR [--kill-at N] -- COMMAND...
//
// Attaches to the running daemon, runs COMMAND (which makes the daemon work), and prints every
// state-changing system call that the daemon finishes meanwhile, in order. With --kill-at N the
// daemon gets SIGKILL as soon as the N-th of them has returned; 0 is before the first. The last
// line is machine-readable:
//
//   points=23 hardware=5 journal=12 cdi=6 killed=0 status=0
//
// Exit codes: 0; 1 when something went wrong; 4 when there were fewer than N points.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hal/base/parse.h"
#include "test/node/crash/tracer.h"

namespace drapci::test {
namespace {

struct Options {
  pid_t pid = 0;
  WatchedDirs dirs{"/var/lib/drapci", "/var/run/cdi"};
  std::optional<int> kill_at;
  std::vector<char*> command;
};

std::string RealPath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  std::string out = resolved == nullptr ? path : resolved;
  std::free(resolved);
  return out;
}

std::optional<Options> ParseOptions(int argc, char** argv) {
  Options out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--") {
      out.command.assign(argv + i + 1, argv + argc);
      out.command.push_back(nullptr);
      break;
    }
    if (name == "--pid") {
      out.pid = ParseInt<pid_t>(value).value_or(0);
    } else if (name == "--kill-at") {
      out.kill_at = ParseInt<int>(value);
    } else if (name == "--state-dir") {
      out.dirs.state = value;
    } else if (name == "--cdi-dir") {
      out.dirs.cdi = value;
    } else {
      return std::nullopt;
    }
  }
  if (out.pid <= 0 || out.command.empty()) return std::nullopt;
  out.dirs = {RealPath(out.dirs.state), RealPath(out.dirs.cdi)};
  return out;
}

Result<int> Run(Options& options) {
  DRAPCI_TRY(Tracer tracer, Tracer::Attach(options.pid, [&](pid_t tid, const SyscallInfo& entry) {
               return Classify(tid, entry, options.dirs);
             }));
  pid_t command = 0;
  if (int error = posix_spawnp(&command, options.command[0], nullptr, nullptr,
                               options.command.data(), environ)) {
    return Fail(Error::FromErrno(error, options.command[0]));
  }
  int points = 0;
  bool killed = false;
  std::map<PointKind, int> by_kind;
  using Verdict = Tracer::Verdict;
  auto decide = [&](int after) {
    killed = killed || options.kill_at == after;
    return killed ? Verdict::kKill : Verdict::kGoOn;
  };
  DRAPCI_TRY(const int status,
             tracer.RunUntilExit(
                 command, {.before = [&] { return points == 0 ? decide(0) : Verdict::kGoOn; },
                           .after =
                               [&](const Point& point) {
                                 ++by_kind[point.kind];
                                 fmt::print("{:4} {}\n", ++points, point.ToString());
                                 return decide(points);
                               }}));
  fmt::print("points={} hardware={} journal={} cdi={} killed={} status={}\n", points,
             by_kind[PointKind::kHardware], by_kind[PointKind::kJournal], by_kind[PointKind::kCdi],
             killed ? 1 : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return options.kill_at && !killed ? 4 : 0;
}

}  // namespace
}  // namespace drapci::test

int main(int argc, char** argv) {
  auto options = drapci::test::ParseOptions(argc, argv);
  if (!options) {
    fmt::print(stderr,
               "usage: crashpoint --pid PID [--state-dir DIR] [--cdi-dir DIR] [--kill-at N] -- "
               "COMMAND...\n");
    return 2;
  }
  auto result = drapci::test::Run(*options);
  if (!result) {
    fmt::print(stderr, "crashpoint: {}\n", result.error().what);
    return 1;
  }
  return *result;
}
