#include "plugin/socket_server.h"

#include <fmt/format.h>
#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "hal/base/log.h"
#include "hal/base/unique_fd.h"

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

// Makes way for a socket at `path`.
Result<> ClearPath(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
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
    case ECONNREFUSED: break;
    case ENOENT: return {};
    default: return Fail(Error::FromErrno(sys, "connecting to " + path));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(Error::FromErrno(errno, "removing the stale socket " + path));
  }
  return {};
}

// "unix:PATH" as gRPC reads it: a URI.
std::string TargetOf(const std::string& path) {
  std::string target = "unix:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-._~").contains(c);
    target += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return target;
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

Result<> SetOwner(const std::string& path, const SocketServer::Options& options) {
  if (!options.group.empty()) {
    if (const auto gid = GroupId(options.group); !gid) {
      Log(LogLevel::kInfo, "{}: /etc/group has no {}, so its owner alone can use the socket", path,
          options.group);
    } else if (::lchown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0) {
      return Fail(
          Error::FromErrno(errno, fmt::format("giving {} to group {}", path, options.group)));
    }
  }
  if (::chmod(path.c_str(), options.mode) != 0) {
    return Fail(Error::FromErrno(errno, "setting the mode of " + path));
  }
  return {};
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

SocketServer::SocketServer(std::string path, std::unique_ptr<grpc::Server> server)
    : path_(std::move(path)), server_(std::move(server)) {}

Result<std::unique_ptr<SocketServer>> SocketServer::Start(
    const Options& options, std::span<grpc::Service* const> services) {
  DRAPCI_CHECK(CheckSocketPath(options.path));
  DRAPCI_CHECK(ClearPath(options.path));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(TargetOf(options.path), grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    // gRPC keeps the errno to itself: look what bind(2) says.
    const int sys = TrySocket(options.path, ::bind);
    if (sys == 0) ::unlink(options.path.c_str());
    return Fail(Error::FromErrno(sys == 0 ? EIO : sys, "listening on " + options.path));
  }
  std::unique_ptr<SocketServer> result(new SocketServer(options.path, std::move(server)));
  DRAPCI_CHECK(SetOwner(options.path, options));
  return result;
}

SocketServer::~SocketServer() { Stop(std::chrono::milliseconds(0)); }

void SocketServer::Unlink() { ::unlink(path_.c_str()); }

void SocketServer::Stop(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_.reset();
}

}  // namespace drapci::plugin
