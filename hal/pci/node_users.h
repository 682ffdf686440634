// Who has device nodes open: a driver that is taken away from under its users may hang them, and
// the machine with them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hal/os/sysfs.h"

namespace drapci::hal {

struct NodeUser {
  int pid = 0;
  std::string name;  // of its program, /proc/<pid>/comm
  bool operator==(const NodeUser&) const = default;
};

// The processes that have one of `nodes` ("/dev/dri/renderD128") open, by pid; udev's workers,
// which look at every new node for a moment, are not among them. Read from the links of
// /proc/<pid>/fd (proc(5)), so a node that a process has mapped and closed again is not seen, nor
// what this process may not read (CAP_SYS_PTRACE). Nothing is read when `nodes` is empty. Cost: one
// link for each open file of the machine.
Result<std::vector<NodeUser>> UsersOf(const Sysfs& sysfs, std::span<const std::string> nodes);

// "ollama (pid 4242) and 2 more"
std::string NameUsers(std::span<const NodeUser> users);

// kBusy, naming the users, when there are any: "`what` is used by ollama (pid 4242): stop it
// first".
Result<> CheckUnused(const Sysfs& sysfs, std::span<const std::string> nodes, std::string_view what);

}  // namespace drapci::hal
