#include "hal/os/state_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "hal/base/log.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kTemporary = ".tmp-";

std::unexpected<Error> FailHere(int sys, std::string_view verb, std::string_view path) {
  return Fail(Error::FromErrno(sys, fmt::format("{} {}", verb, path)));
}

// Makes `path` and its parents, each durable in its own parent.
Result<> MakeDirectories(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) {
    const size_t slash = path.rfind('/');
    const std::string parent =
        slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
    UniqueFd fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return FailHere(errno, "fsync directory", parent);
    return {};
  }
  const int sys = errno;
  if (sys == EEXIST) return {};
  const size_t slash = path.rfind('/');
  if (sys != ENOENT || slash == std::string::npos || slash == 0) {
    return FailHere(sys, "make directory", path);
  }
  DRAPCI_CHECK(MakeDirectories(path.substr(0, slash)));
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return FailHere(errno, "make directory", path);
  }
  return {};
}

int WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    content.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

class FileStateDir : public StateDir {
 public:
  explicit FileStateDir(std::string path) : path_(std::move(path)) {}

  Result<> Replace(std::string_view name, std::string_view content) override;
  Result<> Remove(std::string_view name) override;
  Result<std::string> Read(std::string_view name) const override;
  Result<std::vector<std::string>> List() const override;
  const std::string& path() const override { return path_; }

  Result<> Sweep();

 private:
  std::string PathOf(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  Result<> CheckName(std::string_view name) const;
  Result<UniqueFd> OpenDirectory() const;
  Result<std::vector<std::string>> Entries() const;

  const std::string path_;
};

Result<> FileStateDir::CheckName(std::string_view name) const {
  const bool good = !name.empty() && !name.starts_with('.') && !name.contains('/') &&
                    !name.contains('\0') && name.size() <= 255 - kTemporary.size();
  if (good) return {};
  return Fail(Code::kInvalid, fmt::format("file name '{}' refused in {}: it must be one component "
                                          "of at most 250 bytes that does not begin with '.'",
                                          name.substr(0, 64), path_));
}

// Opened for each use: somebody may have replaced the directory, and every thread gets its own.
Result<UniqueFd> FileStateDir::OpenDirectory() const {
  UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return FailHere(errno, "open directory", path_);
  return fd;
}

Result<> FileStateDir::Replace(std::string_view name, std::string_view content) {
  DRAPCI_CHECK(CheckName(name));
  Result<UniqueFd> directory = OpenDirectory();
  if (!directory && directory.error().sys == ENOENT) {
    DRAPCI_CHECK(MakeDirectories(path_));
    directory = OpenDirectory();
  }
  if (!directory) return Fail(std::move(directory).error());
  const int dir = directory->get();

  const std::string temporary = fmt::format("{}{}", kTemporary, name);
  const std::string final_name(name);
  UniqueFd file(::openat(dir, temporary.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return FailHere(errno, "create", PathOf(temporary));
  const auto give_up = [&](int sys, std::string_view verb) {
    ::unlinkat(dir, temporary.c_str(), 0);
    return FailHere(sys, verb, PathOf(name));
  };
  if (const int sys = WriteAll(file.get(), content); sys != 0) return give_up(sys, "write");
  if (::fsync(file.get()) != 0) return give_up(errno, "fsync");
  if (::close(file.Release()) != 0) return give_up(errno, "close");
  if (::renameat(dir, temporary.c_str(), dir, final_name.c_str()) != 0) {
    return give_up(errno, "rename into place");
  }
  if (::fsync(dir) != 0) return FailHere(errno, "fsync directory", path_);
  return {};
}

Result<> FileStateDir::Remove(std::string_view name) {
  DRAPCI_CHECK(CheckName(name));
  const Result<UniqueFd> directory = OpenDirectory();
  if (!directory) {
    if (directory.error().sys == ENOENT) return {};
    return Fail(directory.error());
  }
  const std::string file(name);
  if (::unlinkat(directory->get(), file.c_str(), 0) != 0) {
    const int sys = errno;
    // A read-only file system refuses before it looks whether there is anything to remove.
    const bool there =
        ::faccessat(directory->get(), file.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
        errno != ENOENT;
    if (sys == ENOENT || !there) return {};
    return FailHere(sys, "remove", PathOf(name));
  }
  if (::fsync(directory->get()) != 0) return FailHere(errno, "fsync directory", path_);
  return {};
}

Result<std::string> FileStateDir::Read(std::string_view name) const {
  DRAPCI_CHECK(CheckName(name));
  DRAPCI_TRY(const UniqueFd directory, OpenDirectory());
  UniqueFd file(
      ::openat(directory.get(), std::string(name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return FailHere(errno, "read", PathOf(name));
  std::string content;
  for (;;) {
    char buffer[16384];
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FailHere(errno, "read", PathOf(name));
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
  }
}

Result<std::vector<std::string>> FileStateDir::Entries() const {
  DRAPCI_TRY(UniqueFd directory, OpenDirectory());
  struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };
  std::unique_ptr<DIR, CloseDir> dir(::fdopendir(directory.get()));
  if (!dir) return FailHere(errno, "list", path_);
  directory.Release();  // closedir closes it
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  if (errno != 0) return FailHere(errno, "list", path_);
  std::ranges::sort(names);
  return names;
}

Result<std::vector<std::string>> FileStateDir::List() const {
  DRAPCI_TRY(std::vector<std::string> names, Entries());
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

Result<> FileStateDir::Sweep() {
  DRAPCI_TRY(const std::vector<std::string> names, Entries());
  DRAPCI_TRY(const UniqueFd directory, OpenDirectory());
  for (const std::string& name : names) {
    if (!name.starts_with(kTemporary)) continue;
    // A read-only directory can still be read; the first write will say what is wrong with it.
    if (::unlinkat(directory.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      Log(LogLevel::kWarning, "{}",
          Error::FromErrno(errno, fmt::format("sweep {}", PathOf(name))).what);
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<StateDir>> OpenStateDir(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty() || path.contains('\0')) {
    return Fail(Code::kInvalid, "the path of a state directory is empty or has a zero byte");
  }
  DRAPCI_CHECK(MakeDirectories(path));
  auto directory = std::make_unique<FileStateDir>(std::move(path));
  DRAPCI_CHECK(directory->Sweep());
  return directory;
}

}  // namespace drapci::hal
