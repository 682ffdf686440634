#include "plugin/health/journal.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "hal/base/parse.h"
#include "plugin/health/teller.h"
#include "plugin/text.h"

namespace drapci::plugin::health {
namespace {

// systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream that standard error was.
bool StderrIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  if (stream == nullptr) return false;
  struct stat status;
  if (::fstat(STDERR_FILENO, &status) != 0) return false;
  return stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

}  // namespace

void LogWithFields(LogLevel level, std::string_view text, const std::vector<JournalField>& fields) {
  if (!LogEnabled(level)) return;
  if (StderrIsJournal()) {
    std::vector<std::string> lines{fmt::format("MESSAGE={}", Printable(text, 2048)),
                                   fmt::format("PRIORITY={}", static_cast<int>(level)),
                                   "SYSLOG_IDENTIFIER=drapcid"};
    for (const JournalField& field : fields) {
      lines.push_back(fmt::format("{}={}", field.name, Printable(field.value, 1024)));
    }
    std::vector<iovec> parts;
    parts.reserve(lines.size());
    for (std::string& line : lines)
      parts.push_back({.iov_base = line.data(), .iov_len = line.size()});
    if (::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0) return;
  }
  LogLine(level, text);
}

std::string StatusText(const driver::Snapshot& snapshot, size_t claims) {
  const auto is = [&snapshot](driver::HealthState state) {
    return std::ranges::count_if(snapshot.accelerators,
                                 [state](const auto& card) { return card.health.state == state; });
  };
  return fmt::format("serving: {} card{}, {} unhealthy, {} claim{}", snapshot.accelerators.size(),
                     snapshot.accelerators.size() == 1 ? "" : "s",
                     is(driver::HealthState::kUnhealthy), claims, claims == 1 ? "" : "s");
}

void HealthLog::Look(const driver::Snapshot& snapshot, hal::MonotonicTime time) {
  std::map<std::string, driver::Health> now;
  for (const driver::AcceleratorView& card : snapshot.accelerators) {
    const driver::Health& health = damper_.Step(card.name, card.health, time);
    const auto before = told_.find(card.name);
    const Turn turn = TurnOf(before == told_.end() ? driver::Health() : before->second, health);
    if (turn != Turn::kNone) {
      const bool well = turn == Turn::kRecovered;
      LogWithFields(
          well ? LogLevel::kNotice : LogLevel::kWarning,
          well ? fmt::format("{} is healthy again", card.name)
               : fmt::format("{} is unhealthy: {}: {}", card.name, health.reason, health.message),
          {{"DRAPCI_DEVICE", card.name},
           {"DRAPCI_FAMILY", card.family},
           {"DRAPCI_HEALTH", driver::NameOf(health.state)},
           {"DRAPCI_REASON", health.reason}});
    }
    now.emplace(card.name, health);
  }
  told_ = std::move(now);
}

}  // namespace drapci::plugin::health
