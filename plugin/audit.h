// Who asked for what over the control socket, in the journal.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin {

// The process at the other end of a unix socket, as it was when it connected (SO_PEERCRED).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::string command;  // /proc/PID/comm; empty when it has ended already
};

// `peer` is grpc::ServerContext::peer() of a call over a connection that SocketServer has accepted,
// "fd:12". Nothing when it is another. Ask at the start of a call: when its caller has gone, the
// number may be that of another connection.
std::optional<Caller> CallerOf(std::string_view peer);

// "uid 0 gid 0 pid 12 (drapci)".
std::string ToString(const std::optional<Caller>& caller);

// One line with the fields DRAPCI_ACTION, DRAPCI_CLAIM, DRAPCI_UID, DRAPCI_RESULT and of the caller
// DRAPCI_CALLER_UID, _GID, _PID and _COMM; to standard error where that is not the journal.
// `action` is what a sentence can begin with: "prepare", "unprepare".
void Audit(const std::optional<Caller>& caller, std::string_view action, std::string_view claim,
           std::string_view uid, const Result<>& result);

}  // namespace drapci::plugin
