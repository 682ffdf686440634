#include "hal/os/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>

#include "hal/base/unique_fd.h"
#include "hal/os/path.h"

namespace drapci::hal {
namespace {

// Far above any attribute; /proc/self/mountinfo of a node with thousands of pods fits.
constexpr size_t kMaxText = size_t{4} << 20;

std::unexpected<Error> FailHere(int sys, std::string_view verb, std::string_view path) {
  return Fail(Error::FromErrno(sys, fmt::format("{} {}", verb, path)));
}

// "\n" is a value that matters (it clears an attribute), so it is shown.
std::string Shown(std::string_view value) {
  std::string text;
  for (char c : value) {
    if (c == '\n') {
      text += "\\n";
    } else {
      text += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return text.empty() ? "nothing" : text;
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// The entries of `path` for which `wanted(name, is_directory)` holds, sorted. A symbolic link is no
// directory.
template <class Wanted>
Result<std::vector<std::string>> ListWhere(std::string_view path, Wanted wanted) {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  std::unique_ptr<DIR, CloseDir> dir(::opendir(checked.c_str()));
  if (!dir) return FailHere(errno, "list", path);
  const int fd = ::dirfd(dir.get());
  if (fd < 0) return FailHere(errno, "list", path);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat info = {};
      is_directory =
          ::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    }
    if (wanted(is_directory)) names.emplace_back(name);
  }
  if (errno != 0) return FailHere(errno, "list", path);
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::vector<std::string>> Sysfs::ListDirectories(std::string_view path) const {
  DRAPCI_TRY(const std::vector<std::string> names, List(path));
  std::vector<std::string> directories;
  for (const std::string& name : names) {
    const std::string child = fmt::format("{}/{}", path, name);
    if (!ReadLink(child) && List(child)) directories.push_back(name);
  }
  return directories;
}

Result<std::string> Sysfs::ReadBytes(std::string_view path, size_t count) const {
  DRAPCI_TRY(const std::string whole, Read(path));
  return whole.substr(0, count);
}

Result<std::string> KernelSysfs::ReadBytes(std::string_view path, size_t count) const {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  UniqueFd fd(::open(checked.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FailHere(errno, "read", path);
  std::string bytes(count, '\0');
  const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
  if (got < 0) return FailHere(errno, "read", path);
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

Result<std::string> KernelSysfs::Read(std::string_view path) const {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  UniqueFd fd(::open(checked.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FailHere(errno, "read", path);
  std::string text;
  for (;;) {
    char buffer[4096];
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) return FailHere(errno, "read", path);
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > kMaxText) return FailHere(EFBIG, "read", path);
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<> KernelSysfs::Write(std::string_view path, std::string_view value) {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  const auto fail = [&](int sys) {
    return Fail(Error::FromErrno(sys, fmt::format("write {} to {}", Shown(value), path)));
  };
  UniqueFd fd(::open(checked.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail(errno);
  const ssize_t count = ::write(fd.get(), value.data(), value.size());
  if (count < 0) return fail(errno);
  if (static_cast<size_t>(count) != value.size()) {
    // Writing the rest would be a second store.
    return Fail(Code::kIo, fmt::format("write {} to {}: the kernel took {} of {} bytes",
                                       Shown(value), path, count, value.size()));
  }
  return {};
}

Result<std::vector<std::string>> KernelSysfs::List(std::string_view path) const {
  return ListWhere(path, [](bool) { return true; });
}

Result<std::vector<std::string>> KernelSysfs::ListDirectories(std::string_view path) const {
  return ListWhere(path, [](bool is_directory) { return is_directory; });
}

Result<std::string> KernelSysfs::ReadLink(std::string_view path) const {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  char target[PATH_MAX];
  const ssize_t length = ::readlink(checked.c_str(), target, sizeof target);
  if (length < 0) return FailHere(errno, "read link", path);
  return std::string(target, static_cast<size_t>(length));
}

Result<std::string> KernelSysfs::Resolve(std::string_view path) const {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  char target[PATH_MAX];
  if (::realpath(checked.c_str(), target) == nullptr) return FailHere(errno, "resolve", path);
  return std::string(target);
}

bool KernelSysfs::Exists(std::string_view path) const {
  const Result<std::string> checked = CheckedPath(path);
  struct stat info = {};
  return checked && ::stat(checked->c_str(), &info) == 0;
}

Result<std::string> LinkName(const Sysfs& sysfs, std::string_view path) {
  Result<std::string> target = sysfs.ReadLink(path);
  if (target) return std::string(BaseName(*target));
  if (target.error().sys == ENOENT) return std::string();
  return target;
}

}  // namespace drapci::hal
