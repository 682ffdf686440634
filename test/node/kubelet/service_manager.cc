#include "test/node/kubelet/service_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <sstream>
#include <vector>

namespace drapci::test {
namespace {

constexpr std::chrono::seconds kPatience{60};

}  // namespace

ServiceManager::ServiceManager(const Node& node)
    : node_(node),
      path_(node.scratch().root + "/service-manager"),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

bool ServiceManager::Hear() {
  std::array<char, 1024> text;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return false;
  UniqueFd descriptor;
  if (const cmsghdr* head = CMSG_FIRSTHDR(&message);
      head != nullptr && head->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    descriptor = UniqueFd(fd);
  }
  std::istringstream lines(std::string(text.data(), static_cast<size_t>(got)));
  std::string name;
  bool ready = false, store = false, remove = false;
  for (std::string line; std::getline(lines, line);) {
    ready = ready || line == "READY=1";
    store = store || line == "FDSTORE=1";
    remove = remove || line == "FDSTOREREMOVE=1";
    if (line.starts_with("FDNAME=")) name = line.substr(7);
  }
  if (remove) kept_.erase(name);
  if (store && descriptor) kept_.insert_or_assign(name, std::move(descriptor));
  return ready;
}

Result<> ServiceManager::Start() {
  // LISTEN_PID is the daemon's own, which only the process itself knows before it becomes one.
  std::vector<std::string> command{"sh", "-c", "export LISTEN_PID=$$; exec \"$@\"", "sh"};
  const auto daemon = node_.DaemonCommand();
  command.insert(command.end(), daemon.begin(), daemon.end());
  command.emplace_back("--keep-sockets");
  std::vector<std::string> names;
  std::vector<int> descriptors;
  for (const auto& [name, descriptor] : kept_) {
    names.push_back(name);
    descriptors.push_back(descriptor.get());
  }
  DRAPCI_TRY(daemon_, Process::Start(command, node_.scratch().log,
                                     {"NOTIFY_SOCKET=" + path_,
                                      fmt::format("LISTEN_FDS={}", descriptors.size()),
                                      fmt::format("LISTEN_FDNAMES={}", fmt::join(names, ":"))},
                                     descriptors));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    std::array<pollfd, 2> fds{pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = daemon_->pidfd(), .events = POLLIN, .revents = 0}};
    poll(fds.data(), fds.size(), 1000);
    if (fds[0].revents != 0) {
      if (Hear()) return {};
    } else if (fds[1].revents != 0) {
      DRAPCI_TRY(const int code, WaitEnded());
      return Fail(Code::kIo, fmt::format("drapcid ended with {}", code));
    }
  }
  return Fail(Code::kTimeout, "drapcid does not become ready");
}

Result<int> ServiceManager::WaitEnded() {
  auto code = daemon_->Wait(kPatience);
  daemon_.reset();
  return code;
}

std::string ServiceManager::Kept() const {
  std::vector<std::string> names;
  for (const auto& [name, descriptor] : kept_) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace drapci::test
