#include "test/sim/front/uevents.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace drapci::sim {

Result<UeventSocket> UeventSocket::Open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  if (!fd) return Fail(Error::FromErrno(errno, "open a uevent socket"));
  return UeventSocket(std::move(fd));
}

Result<> UeventSocket::Send(const Uevent& event) const {
  std::string text = fmt::format("{}@{}", event.action, event.devpath);
  auto add = [&text](std::string_view key, std::string_view value) {
    text.push_back('\0');
    text += fmt::format("{}={}", key, value);
  };
  add("ACTION", event.action);
  add("DEVPATH", event.devpath);
  add("SUBSYSTEM", event.subsystem);
  for (const auto& [key, value] : event.properties) add(key, value);
  text.push_back('\0');
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof(header) + text.size());
  header.nlmsg_type = NLMSG_MIN_TYPE;
  header.nlmsg_flags = NLM_F_REQUEST;
  std::string message(sizeof(header), '\0');
  std::memcpy(message.data(), &header, sizeof(header));
  message += text;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = sendto(fd_.get(), message.data(), message.size(), 0,
                        reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  if (sent < 0) {
    int error = errno;
    return Fail(
        Error::FromErrno(error, fmt::format("send uevent {}@{}", event.action, event.devpath)));
  }
  return {};
}

Result<> MakeNode(const DeviceNode& node) {
  RemoveNode(node.path);  // one of the host's may be there
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(node.path).parent_path(), ignored);
  const char* path = node.path.c_str();
  mode_t type = node.type == 'b' ? S_IFBLK : S_IFCHR;
  if (mknod(path, type | node.permissions, makedev(node.major, node.minor)) == 0) {
    chmod(path, node.permissions);  // mknod takes the umask away
    return {};
  }
  if (errno != EPERM) return Fail(Error::FromErrno(errno, fmt::format("mknod {}", node.path)));
  UniqueFd placeholder(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, node.permissions));
  if (!placeholder || mount("/dev/null", path, nullptr, MS_BIND, nullptr) != 0) {
    int error = errno;
    return Fail(Error::FromErrno(error, fmt::format("bind /dev/null to {}", node.path)));
  }
  return {};
}

void RemoveNode(const std::string& path) {
  umount2(path.c_str(), MNT_DETACH);  // only a bind-mounted node is one
  unlink(path.c_str());
  // devtmpfs takes directories away that it made and that are empty now.
  std::filesystem::path above = std::filesystem::path(path).parent_path();
  while (above != "/dev" && rmdir(above.c_str()) == 0) above = above.parent_path();
}

}  // namespace drapci::sim
