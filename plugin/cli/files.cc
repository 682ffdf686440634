#include "plugin/cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

std::unexpected<Failure> FailHere(int sys, const std::string& path) {
  return Fail(ExitCode::kFailed, Error::FromErrno(sys, Printable(path)).what);
}

int WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    content.remove_prefix(static_cast<size_t>(count));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

Outcome<std::string> ReadAll(int fd, std::string_view name) {
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ExitCode::kFailed, Error::FromErrno(errno, name).what);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxFileSize) {
      return Fail(ExitCode::kFailed,
                  fmt::format("{}: larger than {} bytes; what belongs there is far smaller", name,
                              kMaxFileSize));
    }
  }
}

Outcome<PendingFile> PendingFile::Write(const std::string& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!file) return FailHere(errno, path);
  PendingFile pending(path, temporary);
  if (const int sys = WriteAll(file.get(), content); sys != 0) return FailHere(sys, path);
  return pending;
}

PendingFile::~PendingFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Outcome<> PendingFile::Commit() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return FailHere(errno, path_);
  temporary_.clear();
  const std::string parent = std::filesystem::path(path_).parent_path();
  const UniqueFd directory(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return FailHere(errno, path_);
  return {};
}

}  // namespace drapci::cli
