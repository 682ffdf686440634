#include "test/sim/front/fuse_devices.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>

namespace drapci::sim {
namespace {

constexpr std::string_view kRoot = "/.devices";
constexpr std::string_view kShared = "/.devices/shared", kAlone = "/.devices/alone";

// "/dev/dri"
bool IsDirectory(const Kernel& kernel, const std::string& path) {
  const std::vector<DeviceNode> nodes = kernel.Nodes();
  return std::ranges::any_of(
      nodes, [&](const DeviceNode& each) { return each.path.starts_with(path + "/"); });
}

iovec There(uint64_t address, size_t size) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process.
  return {.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
}

}  // namespace

std::optional<RelayedNode> ParseRelayed(std::string_view path) {
  for (const std::string_view root : {kShared, kAlone}) {
    if (path.starts_with(root) && path.substr(root.size()).starts_with("/dev/")) {
      return RelayedNode{.node = std::string(path.substr(root.size())), .alone = root == kAlone};
    }
  }
  return std::nullopt;
}

bool IsBelowRelay(std::string_view path) {
  return path.starts_with(kRoot) && (path.size() == kRoot.size() || path[kRoot.size()] == '/');
}

int StatRelayed(const Kernel& kernel, std::string_view path, struct stat& status) {
  status = {};
  const auto relayed = ParseRelayed(path);
  const bool node = relayed && kernel.ServesNode(relayed->node);
  constexpr std::string_view kDirectories[] = {kRoot, kShared, "/.devices/shared/dev", kAlone,
                                               "/.devices/alone/dev"};
  const bool directory = std::ranges::find(kDirectories, path) != std::end(kDirectories) ||
                         (relayed && !node && IsDirectory(kernel, relayed->node));
  if (!node && !directory) return -ENOENT;
  status.st_mode = node ? S_IFREG | 0600 : S_IFDIR | 0700;
  status.st_nlink = node ? 1 : 2;
  status.st_ino = std::hash<std::string_view>()(path) | uint64_t{1} << 63;
  return 0;
}

bool ProcessMemory::Read(uint64_t address, std::span<std::byte> into) {
  const iovec here{.iov_base = into.data(), .iov_len = into.size()};
  const iovec there = There(address, into.size());
  return process_vm_readv(pid_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(into.size());
}

bool ProcessMemory::Write(uint64_t address, std::span<const std::byte> from) {
  const iovec here{.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
  const iovec there = There(address, from.size());
  return process_vm_writev(pid_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(from.size());
}

}  // namespace drapci::sim
