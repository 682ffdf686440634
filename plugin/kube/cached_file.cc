#include "plugin/kube/cached_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "hal/base/unique_fd.h"

namespace drapci::plugin::kube {
namespace {

constexpr size_t kMostBytes = 1 << 20;

Result<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t size = ::read(fd, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Fail(Error::FromErrno(errno, path));
    if (size == 0) return text;
    text.append(piece.data(), static_cast<size_t>(size));
    if (text.size() > kMostBytes) {
      return Fail(Code::kInvalid, fmt::format("{}: is larger than {} bytes", path, kMostBytes));
    }
  }
}

}  // namespace

Result<> CachedFile::Refresh(const std::string& path, bool anew) {
  const auto identify = [](const struct stat& status) {
    return Identity{static_cast<int64_t>(status.st_dev),
                    static_cast<int64_t>(status.st_ino),
                    status.st_mtim.tv_sec,
                    status.st_mtim.tv_nsec,
                    status.st_ctim.tv_nsec,
                    status.st_size};
  };
  struct stat status = {};
  if (!anew && path == path_ && ::stat(path.c_str(), &status) == 0 &&
      identify(status) == identity_) {
    return {};
  }
  // O_NONBLOCK: a FIFO must not hold the loop.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Fail(Error::FromErrno(errno, path));
  if (::fstat(fd.get(), &status) != 0) return Fail(Error::FromErrno(errno, path));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalid, path + ": is no regular file");
  DRAPCI_TRY(text_, ReadAll(fd.get(), path));
  path_ = path;
  identity_ = identify(status);
  return {};
}

}  // namespace drapci::plugin::kube
