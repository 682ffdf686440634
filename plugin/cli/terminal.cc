#include "plugin/cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "hal/base/parse.h"

namespace drapci::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Codeset() {
  const locale_t locale = ::newlocale(LC_CTYPE_MASK, "", nullptr);
  if (locale == nullptr) return "";  // not installed: nobody knows what it would have been
  std::string codeset = ::nl_langinfo_l(CODESET, locale);
  ::freelocale(locale);
  return codeset;
}

}  // namespace

Terminal Decide(const TerminalFacts& facts) {
  constexpr size_t kDefault = 100, kLeast = 40, kMost = 400;
  size_t width = ParseInt<size_t>(facts.columns_variable).value_or(0);
  if (width == 0) width = facts.columns;
  return {.width = width == 0 ? kDefault : std::clamp(width, kLeast, kMost),
          .utf8 = facts.codeset == "UTF-8",
          .color = facts.is_terminal && facts.no_color.empty() && !facts.term.empty() &&
                   facts.term != "dumb"};
}

Terminal TerminalAt(int fd) {
  TerminalFacts facts{.is_terminal = ::isatty(fd) == 1,
                      .codeset = Codeset(),
                      .columns_variable = Variable("COLUMNS"),
                      .no_color = Variable("NO_COLOR"),
                      .term = Variable("TERM")};
  struct winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0) facts.columns = size.ws_col;
  return Decide(facts);
}

}  // namespace drapci::cli
