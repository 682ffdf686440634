// How the command line fails: an exit code for scripts and one line for people.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace drapci::cli {

enum class ExitCode {
  kDone = 0,
  kFailed = 1,    // the daemon refused, or something failed on the way
  kUsage = 2,     // the command line itself is wrong
  kNoDaemon = 3,  // nobody answers on the control socket
};

struct Failure {
  ExitCode exit = ExitCode::kFailed;
  std::string text;  // "what: why; what to do", without the leading "drapci: "
};

// Works with DRAPCI_TRY and DRAPCI_CHECK.
template <class T = void>
class [[nodiscard]] Outcome : public std::expected<T, Failure> {
 public:
  using std::expected<T, Failure>::expected;
};

inline std::unexpected<Failure> Fail(ExitCode exit, std::string text) {
  return std::unexpected(Failure{.exit = exit, .text = std::move(text)});
}

}  // namespace drapci::cli
