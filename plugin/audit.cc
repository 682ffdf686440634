#include "plugin/audit.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

#include <cstdlib>
#include <vector>

#include "hal/base/log.h"
#include "hal/base/parse.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

constexpr size_t kMostText = 300;  // of a name that a caller has chosen

bool IsJournal() { return std::getenv("JOURNAL_STREAM") != nullptr; }

}  // namespace

std::optional<Caller> CallerOf(std::string_view peer) {
  constexpr std::string_view kPrefix = "fd:";
  if (!peer.starts_with(kPrefix)) return std::nullopt;
  const auto fd = ParseInt<int>(peer.substr(kPrefix.size()));
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (!fd || ::getsockopt(*fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 ||
      credentials.pid == 0) {
    return std::nullopt;
  }
  Caller caller{.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
  if (const auto name = ReadFile(fmt::format("/proc/{}/comm", caller.pid), 64)) {
    caller.command = Printable(Trim(*name), 64);
  }
  return caller;
}

std::string ToString(const std::optional<Caller>& caller) {
  if (!caller) return "a caller that is not known";
  return fmt::format("uid {} gid {} pid {} ({})", caller->uid, caller->gid, caller->pid,
                     caller->command);
}

void Audit(const std::optional<Caller>& caller, std::string_view action, std::string_view claim,
           std::string_view uid, const Result<>& result) {
  const std::string name = Printable(claim, kMostText);
  const std::string outcome = result ? "done" : OneLine(result.error());
  const std::string text =
      fmt::format("{} of {} for {}: {}", action, name, ToString(caller), outcome);
  if (!IsJournal()) return Log(LogLevel::kNotice, "{}", text);
  std::vector<std::string> fields = {
      "MESSAGE=" + text,
      fmt::format("PRIORITY={}", LOG_NOTICE),
      fmt::format("DRAPCI_ACTION={}", action),
      "DRAPCI_CLAIM=" + name,
      "DRAPCI_UID=" + Printable(uid, kMostText),
      "DRAPCI_RESULT=" + outcome,
  };
  if (caller) {
    fields.push_back(fmt::format("DRAPCI_CALLER_UID={}", caller->uid));
    fields.push_back(fmt::format("DRAPCI_CALLER_GID={}", caller->gid));
    fields.push_back(fmt::format("DRAPCI_CALLER_PID={}", caller->pid));
    fields.push_back("DRAPCI_CALLER_COMM=" + caller->command);
  }
  std::vector<iovec> pieces;
  for (std::string& field : fields) {
    pieces.push_back({.iov_base = field.data(), .iov_len = field.size()});
  }
  if (sd_journal_sendv(pieces.data(), static_cast<int>(pieces.size())) < 0) {
    Log(LogLevel::kNotice, "{}", text);
  }
}

}  // namespace drapci::plugin
