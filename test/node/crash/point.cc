#include "test/node/crash/point.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "hal/base/result.h"

namespace drapci::test {
namespace {

using Arguments = decltype(SyscallInfo{}.entry.args);

std::string ReadMemory(pid_t tid, uint64_t address, size_t size) {
  std::string out(size, '\0');
  iovec local{.iov_base = out.data(), .iov_len = size};
  iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
  const ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  out.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return out;
}

// A text ended by NUL; read in pieces, as the next page may not be there.
std::string ReadText(pid_t tid, uint64_t address) {
  std::string out;
  while (out.size() < PATH_MAX) {
    const size_t to_page_end = 4096 - (address + out.size()) % 4096;
    const std::string piece =
        ReadMemory(tid, address + out.size(), std::min<size_t>(to_page_end, 256));
    const size_t end = piece.find('\0');
    out += piece.substr(0, end);
    if (end != std::string::npos || piece.empty()) return out;
  }
  return out;
}

std::string LinkText(const std::string& link) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t got = readlink(link.c_str(), buffer.data(), buffer.size());
  return got < 0 ? "" : std::string(buffer.data(), static_cast<size_t>(got));
}

std::string FdPath(pid_t tid, uint64_t fd) {
  return LinkText(fmt::format("/proc/{}/fd/{}", tid, static_cast<int>(fd)));
}

// The path that (directory descriptor, name) stands for in the thread.
std::string PathAt(pid_t tid, uint64_t directory, uint64_t name) {
  const std::string text = ReadText(tid, name);
  if (text.starts_with('/')) return text;
  const std::string base = static_cast<int>(directory) == AT_FDCWD
                               ? LinkText(fmt::format("/proc/{}/cwd", tid))
                               : FdPath(tid, directory);
  return base + "/" + text;
}

bool IsBelow(std::string_view path, std::string_view directory) {
  return path == directory ||
         (path.starts_with(directory) && path.substr(directory.size()).starts_with('/'));
}

std::optional<PointKind> KindOf(std::string path, const WatchedDirs& dirs) {
  // Names may go through links such as /var/run.
  std::array<char, PATH_MAX> resolved;
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0 &&
      realpath(path.substr(0, slash).c_str(), resolved.data())) {
    path = resolved.data() + path.substr(slash);
  }
  if (IsBelow(path, "/sys")) return PointKind::kHardware;
  if (IsBelow(path, dirs.state)) return PointKind::kJournal;
  if (IsBelow(path, dirs.cdi)) return PointKind::kCdi;
  return std::nullopt;
}

std::string Quoted(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::ranges::replace_if(text, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return "\"" + text + "\"";
}

// What a request to rtnetlink changes; empty for one that only asks, and for what is none.
std::string_view ChangeOf(uint16_t type) {
  switch (type) {
    case RTM_NEWLINK: return "RTM_NEWLINK";
    case RTM_SETLINK: return "RTM_SETLINK";
    case RTM_NEWADDR: return "RTM_NEWADDR";
    case RTM_DELLINKPROP: return "RTM_DELLINKPROP";
    default: return "";
  }
}

// A change by rtnetlink. The kernel has made it when the call returns; the simulator's relay may
// still be at it, but is faster than a daemon that starts again.
std::optional<Point> ClassifySend(pid_t tid, const Arguments& args) {
  nlmsghdr header{};
  const std::string bytes = ReadMemory(tid, args[1], std::min<size_t>(args[2], sizeof header));
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view change = ChangeOf(header.nlmsg_type);
  if (header.nlmsg_len != args[2] || change.empty()) return std::nullopt;
  Point point;
  point.kind = PointKind::kHardware;
  point.call = "sendto";
  point.path = "rtnetlink";
  point.value = fmt::format("{} of {} bytes", change, header.nlmsg_len);
  return point;
}

// The name that a call has in ClassifySysfs; empty when it is none of them.
std::string_view UseOf(uint64_t call) {
  switch (call) {
    case SYS_openat: return "open";
    case SYS_read:
    case SYS_pread64: return "read";
    case SYS_write:
    case SYS_pwrite64: return "write";
    case SYS_readlinkat:
    case SYS_readlink: return "readlink";
    case SYS_getdents64: return "list";
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_stat:
    case SYS_lstat:
    case SYS_access: return "stat";
    default: return "";
  }
}

}  // namespace

std::string_view PointKindName(PointKind kind) {
  switch (kind) {
    case PointKind::kHardware: return "hardware";
    case PointKind::kJournal: return "journal";
    case PointKind::kCdi: return "cdi";
  }
  std::unreachable();
}

std::string Point::ToString() const {
  const std::string end =
      result < 0 ? ErrnoName(static_cast<int>(-result)) : fmt::format("{}", result);
  return fmt::format("{:<8} {} {} {} = {}", PointKindName(kind), call, path, value, end);
}

std::optional<Point> Classify(pid_t tid, const SyscallInfo& info, const WatchedDirs& dirs) {
  const Arguments& args = info.entry.args;
  Point point;
  auto with_fd = [&](std::string_view call, std::string value) {
    point.call = call;
    point.path = FdPath(tid, args[0]);
    point.value = std::move(value);
  };
  auto with_name = [&](std::string_view call, std::string path, std::string value = "") {
    point.call = call;
    point.path = std::move(path);
    point.value = std::move(value);
  };
  const uint64_t here = static_cast<uint64_t>(AT_FDCWD);
  switch (info.entry.nr) {
    case SYS_write: with_fd("write", fmt::format("{} bytes", args[2])); break;
    case SYS_pwrite64: with_fd("pwrite64", fmt::format("{} bytes at {}", args[2], args[3])); break;
    case SYS_writev: with_fd("writev", ""); break;
    case SYS_sendto: return ClassifySend(tid, args);
    case SYS_pwritev: with_fd("pwritev", ""); break;
    case SYS_pwritev2: with_fd("pwritev2", ""); break;
    case SYS_fsync: with_fd("fsync", ""); break;
    case SYS_fdatasync: with_fd("fdatasync", ""); break;
    case SYS_ftruncate: with_fd("ftruncate", fmt::format("to {}", args[1])); break;
    case SYS_openat:
      if ((args[2] & O_CREAT) == 0) return std::nullopt;
      with_name("openat", PathAt(tid, args[0], args[1]), "(create)");
      break;
    case SYS_unlink: with_name("unlink", PathAt(tid, here, args[0])); break;
    case SYS_unlinkat: with_name("unlinkat", PathAt(tid, args[0], args[1])); break;
    case SYS_rename:
      with_name("rename", PathAt(tid, here, args[0]), "to " + PathAt(tid, here, args[1]));
      break;
    case SYS_renameat:
    case SYS_renameat2:
      with_name(info.entry.nr == SYS_renameat ? "renameat" : "renameat2",
                PathAt(tid, args[0], args[1]), "to " + PathAt(tid, args[2], args[3]));
      break;
    default: return std::nullopt;
  }
  const auto kind = KindOf(point.path, dirs);
  if (!kind) return std::nullopt;
  point.kind = *kind;
  if (*kind == PointKind::kHardware) {
    if (point.call != "write" && point.call != "pwrite64") return std::nullopt;
    point.value = Quoted(ReadMemory(tid, args[1], std::min<size_t>(args[2], 64)));
  }
  return point;
}

std::optional<Point> ClassifySysfs(pid_t tid, const SyscallInfo& info) {
  const Arguments& args = info.entry.args;
  const std::string_view use = UseOf(info.entry.nr);
  if (use.empty()) return std::nullopt;
  Point point;
  point.call = use;
  switch (info.entry.nr) {
    case SYS_read:
    case SYS_pread64:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_getdents64: point.path = FdPath(tid, args[0]); break;
    case SYS_readlink:
    case SYS_stat:
    case SYS_lstat:
    case SYS_access: point.path = PathAt(tid, static_cast<uint64_t>(AT_FDCWD), args[0]); break;
    default: point.path = PathAt(tid, args[0], args[1]);
  }
  if (!IsBelow(point.path, "/sys")) return std::nullopt;
  if (use == "write") point.value = ReadMemory(tid, args[1], std::min<size_t>(args[2], 64));
  return point;
}

}  // namespace drapci::test
