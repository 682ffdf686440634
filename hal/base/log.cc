#include "hal/base/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

namespace drapci {
namespace {

std::atomic<LogLevel> threshold{LogLevel::kInfo};

}  // namespace

void SetLogLevel(LogLevel level) { threshold = level; }

bool LogEnabled(LogLevel level) { return level <= threshold.load(std::memory_order_relaxed); }

void LogLine(LogLevel level, std::string_view text) {
  std::string line = fmt::format("<{}>{}\n", static_cast<int>(level), text);
  for (size_t i = 0; i + 1 < line.size(); ++i) {
    if (static_cast<unsigned char>(line[i]) < 0x20 || line[i] == 0x7f) line[i] = ' ';
  }
  // Nothing sensible can be done when standard error is gone.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace drapci
