#include "bench/sysfs_replay.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>

#include "hal/base/unique_fd.h"
#include "test/node/crash/tracer.h"

namespace drapci::bench {

using test::Point;

Result<std::vector<Point>> RecordSysfs(pid_t pid, const std::vector<std::string>& command) {
  DRAPCI_TRY(test::Tracer tracer, test::Tracer::Attach(pid, test::ClassifySysfs));
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
  if (error != 0) return Fail(Error::FromErrno(error, command[0]));
  std::vector<Point> uses;
  using Verdict = test::Tracer::Verdict;
  DRAPCI_TRY(const int status, tracer.RunUntilExit(child, {.before = [] { return Verdict::kGoOn; },
                                                           .after =
                                                               [&](const Point& point) {
                                                                 uses.push_back(point);
                                                                 return Verdict::kGoOn;
                                                               }}));
  if (status != 0)
    return Fail(Code::kIo, fmt::format("{} failed while it was observed", command[0]));
  return uses;
}

double Replay(const std::vector<Point>& uses) {
  Samples time;
  Measure(time, [&] {
    std::map<std::string, UniqueFd>
        files;  // the last one of each path, as the daemon has one at a time
    std::array<char, 64 * 1024> buffer;
    struct stat status{};
    for (const Point& use : uses) {
      if (use.call == "open") {
        files[use.path].Reset();
        int fd = open(use.path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) fd = open(use.path.c_str(), O_WRONLY | O_CLOEXEC);
        files[use.path].Reset(fd);
      } else if (use.call == "read") {
        (void)!read(files[use.path].get(), buffer.data(), buffer.size());
      } else if (use.call == "write") {
        const UniqueFd file(open(use.path.c_str(), O_WRONLY | O_CLOEXEC));
        (void)!write(file.get(), use.value.data(), use.value.size());
      } else if (use.call == "readlink") {
        (void)!readlink(use.path.c_str(), buffer.data(), buffer.size());
      } else if (use.call == "stat") {
        stat(use.path.c_str(), &status);
      } else if (DIR* directory = use.call == "list" ? opendir(use.path.c_str()) : nullptr) {
        while (readdir(directory) != nullptr) {
        }
        closedir(directory);
      }
    }
  });
  return time.front();
}

std::string Summary(const std::vector<Point>& uses) {
  std::map<std::string, int> counts;
  for (const Point& use : uses) ++counts[use.call];
  std::vector<std::string> words;
  for (const auto& [call, count] : counts) words.push_back(fmt::format("{} {}", call, count));
  return fmt::format("{} uses of sysfs ({})", uses.size(), fmt::join(words, ", "));
}

}  // namespace drapci::bench
