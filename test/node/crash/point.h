// The system calls of a daemon after which a crash would be interesting.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drapci::test {

using SyscallInfo =
    __ptrace_syscall_info;  // the name that glibc has for struct ptrace_syscall_info

// What a system call changes: a sysfs attribute or what rtnetlink sets, the journal, or the CDI
// directory.
enum class PointKind { kHardware, kJournal, kCdi };
std::string_view PointKindName(PointKind kind);

struct Point {
  PointKind kind = PointKind::kHardware;
  std::string call;  // "write", "renameat2", ...
  std::string path;
  std::string value;  // what a write to sysfs stores, "N bytes" of others, the new name of a rename
  int64_t result = 0;  // a negated errno when the call failed
  std::string ToString() const;
};

struct WatchedDirs {
  std::string state, cdi;  // absolute, links resolved
};

// What the call that `tid` is entering would change; nothing when it is of no interest. Reads the
// memory and the descriptors of the stopped thread.
std::optional<Point> Classify(pid_t tid, const SyscallInfo& entry, const WatchedDirs& dirs);

// The same for the calls that use a file of sysfs in any way: "open", "read", "write", "readlink",
// "list" or "stat" as the call; `value` is what is written.
std::optional<Point> ClassifySysfs(pid_t tid, const SyscallInfo& entry);

}  // namespace drapci::test
