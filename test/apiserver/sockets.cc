#include "test/apiserver/sockets.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <optional>

#include "hal/base/parse.h"

namespace drapci::apiserver {
namespace {

int PortOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return -1;
}

int LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? PortOf(address) : -1;
}

// Nothing for a socket that listens.
int PeerPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? PortOf(address) : -1;
}

}  // namespace

void ShutDownConnections(int port, int peer_port) {
  const std::unique_ptr<DIR, decltype([](DIR* dir) { closedir(dir); })> dir(
      opendir("/proc/self/fd"));
  if (!dir) return;
  while (const dirent* entry = readdir(dir.get())) {
    const auto fd = ParseInt<int>(entry->d_name);
    if (!fd || LocalPort(*fd) != port) continue;
    const int peer = PeerPort(*fd);
    if (peer < 0 || (peer_port != 0 && peer != peer_port)) continue;
    ::shutdown(*fd, SHUT_RDWR);
  }
}

}  // namespace drapci::apiserver
