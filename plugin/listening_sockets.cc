#include "plugin/listening_sockets.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "hal/base/log.h"

namespace drapci::plugin {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  return address;
}

// Calls connect(2) or bind(2) with a new socket: 0 or an errno.
template <class Call>
int TrySocket(const std::string& path, Call call) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  const sockaddr_un address = AddressOf(path);
  const void* untyped = &address;
  return call(fd.get(), static_cast<const sockaddr*>(untyped), sizeof address) == 0 ? 0 : errno;
}

// Whether a stale socket is at `path`. An error when anything else is.
Result<bool> IsStale(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    return Fail(Error::FromErrno(errno, path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Fail(Code::kConflict,
                path + ": is in the way and no socket; remove it or choose another path");
  }
  switch (const int sys = TrySocket(path, ::connect)) {
    case 0:
    case EAGAIN:  // its backlog is full
      return Fail(Code::kBusy, path + ": another process serves this socket; stop it first");
    case ECONNREFUSED: return true;
    case ENOENT: return false;
    default: return Fail(Error::FromErrno(sys, "connecting to " + path));
  }
}

// Makes way for a socket at `path`.
Result<> ClearPath(const std::string& path) {
  DRAPCI_TRY(const bool stale, IsStale(path));
  if (stale && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(Error::FromErrno(errno, "removing the stale socket " + path));
  }
  return {};
}

// The id of a group of this machine. getgrnam(3) would load every NSS module for a group that the
// package itself makes.
std::optional<gid_t> GroupId(const std::string& name) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/etc/group", "re"), std::fclose);
  if (file == nullptr) return std::nullopt;
  while (const group* entry = ::fgetgrent(file.get())) {
    if (name == entry->gr_name) return entry->gr_gid;
  }
  return std::nullopt;
}

// A service may not change owners: there the socket has its group from the directory, whose setgid
// bit is set.
Result<> SetGroup(const std::string& path, const std::string& name) {
  const auto gid = GroupId(name);
  if (!gid) {
    Log(LogLevel::kInfo, "{}: /etc/group has no {}, so its owner alone can use the socket", path,
        name);
    return {};
  }
  struct stat status = {};
  if (::lstat(path.c_str(), &status) == 0 && status.st_gid == *gid) return {};
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), *gid) == 0) return {};
  Error error = Error::FromErrno(errno, fmt::format("giving {} to group {}", path, name));
  if (errno == EPERM) {
    error.what +=
        fmt::format("; make its directory one of that group: chgrp {} DIR, chmod g+s DIR", name);
  }
  return Fail(std::move(error));
}

Result<> SetOwner(const std::string& path, const SocketOptions& options) {
  if (!options.group.empty()) DRAPCI_CHECK(SetGroup(path, options.group));
  if (::chmod(path.c_str(), options.mode) != 0) {
    return Fail(Error::FromErrno(errno, "setting the mode of " + path));
  }
  return {};
}

// Whether `fd` listens at `path`, and the path still leads to a socket.
bool ListensAt(int fd, const std::string& path) {
  sockaddr_un address = {};
  socklen_t length = sizeof address;
  void* untyped = &address;
  struct stat status = {};
  return sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) > 0 &&
         ::getsockname(fd, static_cast<sockaddr*>(untyped), &length) == 0 &&
         path == address.sun_path && ::lstat(path.c_str(), &status) == 0 &&
         S_ISSOCK(status.st_mode);
}

Result<UniqueFd> Listen(const SocketOptions& options) {
  const std::string context = "listening on " + options.path;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Fail(Error::FromErrno(errno, context));
  const sockaddr_un address = AddressOf(options.path);
  const void* untyped = &address;
  if (::bind(fd.get(), static_cast<const sockaddr*>(untyped), sizeof address) != 0) {
    return Fail(Error::FromErrno(errno, context));
  }
  DRAPCI_CHECK(SetOwner(options.path, options));
  if (::listen(fd.get(), SOMAXCONN) != 0) return Fail(Error::FromErrno(errno, context));
  return fd;
}

void Store(int fd, const std::string& name) {
  const std::string message = fmt::format("FDSTORE=1\nFDNAME={}", name);
  const int sent = sd_pid_notify_with_fds(0, 0, message.c_str(), &fd, 1);
  if (sent < 0) {
    Log(LogLevel::kWarning, "{}",
        Error::FromErrno(-sent, "the sockets will not outlive a restart: giving them to systemd")
            .what);
  }
}

}  // namespace

Result<> CheckSocketPath(const std::string& path) {
  if (!path.starts_with('/')) {
    return Fail(Code::kInvalid, fmt::format("socket path '{}' must be absolute", path));
  }
  if (path.size() > kMaxSocketPath) {
    return Fail(Code::kInvalid, fmt::format("socket path {} has {} bytes, the system allows {}",
                                            path, path.size(), kMaxSocketPath));
  }
  return {};
}

Result<> MakeDirectories(const std::string& path, mode_t mode) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string parent = path.substr(0, end);
    if (::mkdir(parent.c_str(), mode) != 0 && errno != EEXIST) {
      // Where nothing may be made (EROFS, EACCES), the directory may still be there.
      const int sys = errno;
      struct stat status = {};
      if (::stat(parent.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        return Fail(Error::FromErrno(sys, "making the directory " + parent));
      }
    }
    if (end == std::string::npos) return {};
  }
}

void ListeningSockets::Inherit() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    kept_.insert_or_assign(names[i], UniqueFd(SD_LISTEN_FDS_START + i));
    std::free(names[i]);
  }
  std::free(names);
}

Result<> ListeningSockets::CheckFree(const SocketOptions& options) const {
  DRAPCI_CHECK(CheckSocketPath(options.path));
  const auto kept = kept_.find(options.name);
  if (kept != kept_.end() && ListensAt(kept->second.get(), options.path)) return {};
  DRAPCI_TRY([[maybe_unused]] const bool stale, IsStale(options.path));
  return {};
}

Result<UniqueFd> ListeningSockets::Open(const SocketOptions& options) {
  DRAPCI_CHECK(CheckSocketPath(options.path));
  if (auto kept = kept_.extract(options.name); !kept.empty()) {
    UniqueFd fd = std::move(kept.mapped());
    if (ListensAt(fd.get(), options.path)) {
      DRAPCI_CHECK(SetOwner(options.path, options));
      return fd;
    }
    // The configuration has another path now, or somebody has removed the file.
    sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", options.name).c_str());
  }
  DRAPCI_CHECK(ClearPath(options.path));
  DRAPCI_TRY(UniqueFd fd, Listen(options));
  if (keep_ && !options.name.empty()) Store(fd.get(), options.name);
  return fd;
}

}  // namespace drapci::plugin
