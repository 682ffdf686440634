// Log lines on standard error with the "<N>" priority prefix that systemd's journal reads.
//
// One write(2) a line, so lines of several threads never mix. The threshold is the single piece of
// process-wide state in the project: it is set once by main() before any thread starts.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace drapci {

enum class LogLevel { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6, kDebug = 7 };  // syslog(3)

void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// Control characters in `text` are replaced, since names and values from claims end up here.
void LogLine(LogLevel level, std::string_view text);

template <class... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) LogLine(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace drapci
