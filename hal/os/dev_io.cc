#include "hal/os/dev_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdlib>

#include "hal/os/path.h"

namespace drapci::hal {

KernelDevIo::KernelDevIo() {
  if (const char* relay = std::getenv(kDeviceRelayVariable)) relay_ = relay;
}

Result<NodeInfo> KernelDevIo::Stat(std::string_view path) const {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  struct stat info = {};
  if (::stat(checked.c_str(), &info) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("look at {}", path)));
  }
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return Fail(Code::kInvalid, fmt::format("{} is not a device node", path));
  }
  return NodeInfo{.type = S_ISCHR(info.st_mode) ? 'c' : 'b',
                  .major = major(info.st_rdev),
                  .minor = minor(info.st_rdev),
                  .permissions = info.st_mode & 07777,
                  .group = info.st_gid};
}

Result<UniqueFd> KernelDevIo::Open(std::string_view path, int flags) {
  DRAPCI_TRY(const std::string checked, CheckedPath(path));
  if (!relay_.empty()) {
    const bool alone = (flags & O_EXCL) != 0;
    const std::string stand_in =
        fmt::format("{}/{}{}", relay_, alone ? "alone" : "shared", checked);
    UniqueFd fd(::open(stand_in.c_str(), flags | O_CLOEXEC));
    if (fd) return fd;
    if (errno != ENOENT) return Fail(Error::FromErrno(errno, fmt::format("open {}", path)));
  }
  UniqueFd fd(::open(checked.c_str(), flags | O_CLOEXEC));
  if (!fd) return Fail(Error::FromErrno(errno, fmt::format("open {}", path)));
  return fd;
}

Result<int> KernelDevIo::Ioctl(int fd, unsigned long request, void* argument) {
  const int value = ::ioctl(fd, request, argument);
  if (value < 0) return Fail(Error::FromErrno(errno, fmt::format("ioctl {:#x}", request)));
  return value;
}

}  // namespace drapci::hal
