#include "test/sim/front/udevd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "hal/base/unique_fd.h"
#include "test/sim/front/process.h"

namespace drapci::sim {
namespace {

constexpr const char* kNotify = "/run/drapci-sim/udevd.notify";
constexpr int kReadyMilliseconds = 30'000;

std::string Program() {
  for (const char* path : {"/lib/systemd/systemd-udevd", "/usr/lib/systemd/systemd-udevd"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return "systemd-udevd";
}

// Waits for "READY=1" (sd_notify(3)).
Result<> AwaitReady(int fd) {
  std::string text;
  while (!text.contains("READY=1")) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    int ready = poll(&waiting, 1, kReadyMilliseconds);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Fail(Code::kTimeout, "systemd-udevd did not become ready in 30 s");
    char buffer[4096];
    ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    if (got > 0) text.append(buffer, static_cast<size_t>(got)).push_back('\n');
  }
  return {};
}

}  // namespace

Result<> StartUdevd(Kernel& kernel) {
  std::error_code ignored;
  std::filesystem::create_directories("/run/udev/rules.d", ignored);
  // A file of this name in /run hides the one in /usr (udev(7)).
  if (symlink("/dev/null", "/run/udev/rules.d/80-drivers.rules") != 0) {
    return Fail(Error::FromErrno(errno, "mask 80-drivers.rules"));
  }
  UniqueFd notify(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, kNotify, sizeof(address.sun_path) - 1);
  if (!notify || bind(notify.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("bind {}", kNotify)));
  }
  auto udevd = Start({Program()}, {{"NOTIFY_SOCKET", kNotify}});
  unsetenv("NOTIFY_SOCKET");
  if (!udevd) return std::unexpected(std::move(udevd).error());
  DRAPCI_CHECK(AwaitReady(notify.get()));
  notify.Release();  // stays open: udevd reports reloads there as well
  kernel.Coldplug();
  DRAPCI_TRY(pid_t settle, Start({"udevadm", "settle", "--timeout=60"}, {}));
  if (int status = WaitFor(settle); status != 0) {
    return Fail(Code::kTimeout, fmt::format("udevadm settle ended with {}", status));
  }
  return {};
}

}  // namespace drapci::sim
