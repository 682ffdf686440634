#include "test/node/crash/crash_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>

#include "hal/base/parse.h"

namespace drapci::test {
namespace {

Result<PointCounts> ParseCounts(const std::string& text) {
  PointCounts out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("points=")) {
      out.list += line + "\n";
      continue;
    }
    for (std::string_view word : Split(line, ' ')) {
      const size_t equals = word.find('=');
      const int value = ParseInt<int>(word.substr(equals + 1)).value_or(0);
      const std::string_view key = word.substr(0, equals);
      if (key == "points") out.points = value;
      if (key == "hardware") out.hardware = value;
      if (key == "journal") out.journal = value;
      if (key == "cdi") out.cdi = value;
    }
    return out;
  }
  return Fail(Code::kInvalid, "crashpoint printed no totals: " + text);
}

constexpr int kFewerPoints = 4;  // crashpoint's exit code

}  // namespace

CrashTrial::CrashTrial(Node& node, CrashCase crash_case, Operation operation)
    : node_(node), case_(std::move(crash_case)), operation_(operation) {
  untouched_.hardware = ReadHardware();
}

std::vector<std::string> CrashTrial::OperationArguments() const {
  if (operation_ == Operation::kPrepare) return node_.PrepareArguments(case_.claim);
  return {"unprepare", case_.claim.name};
}

Result<> CrashTrial::Begin() {
  node_.scratch().Clear();
  DRAPCI_CHECK(node_.Start());
  for (const ClaimSpec& claim : case_.held)
    DRAPCI_CHECK(node_.CliDo(node_.PrepareArguments(claim)));
  if (operation_ == Operation::kUnprepare) {
    DRAPCI_CHECK(node_.CliDo(node_.PrepareArguments(case_.claim)));
  }
  return {};
}

Result<> CrashTrial::Finish() {
  DRAPCI_CHECK(node_.CliDo({"unprepare", case_.claim.name}));
  for (const ClaimSpec& claim : case_.held) DRAPCI_CHECK(node_.CliDo({"unprepare", claim.name}));
  DRAPCI_CHECK(node_.CliDo({"verify"}));
  DRAPCI_CHECK(node_.Stop());
  return Expect(untouched_, "after everything was released");
}

Result<> CrashTrial::Expect(const Picture& expected, std::string_view when) const {
  const Picture now = Look();
  std::string text = Differences(expected.hardware, now.hardware);
  if (expected.cdi_files != now.cdi_files) {
    text += fmt::format("CDI directory: [{}] instead of [{}]\n", fmt::join(now.cdi_files, " "),
                        fmt::join(expected.cdi_files, " "));
  }
  if (text.empty()) return {};
  return Fail(Code::kConflict, fmt::format("{}:\n{}", when, text));
}

Result<Finished> CrashTrial::UnderCrashpoint(std::optional<int> kill_at) const {
  std::vector<std::string> command{
      node_.programs().crashpoint, "--pid",     fmt::format("{}", node_.pid()), "--state-dir",
      node_.scratch().state_dir,   "--cdi-dir", node_.scratch().cdi_dir};
  if (kill_at) command.insert(command.end(), {"--kill-at", fmt::format("{}", *kill_at)});
  command.push_back("--");
  for (std::string& word : node_.CliCommand(OperationArguments()))
    command.push_back(std::move(word));
  return RunCommand(command);
}

Result<PointCounts> CrashTrial::Count() {
  DRAPCI_CHECK(Begin());
  const Picture before = Look();
  DRAPCI_TRY(const Finished finished, UnderCrashpoint(std::nullopt));
  if (finished.code != 0 || !finished.out.contains(" status=0")) {
    return Fail(Code::kIo, fmt::format("the operation fails even when nobody interferes: {}{}",
                                       finished.out, finished.err));
  }
  const Picture after = Look();
  const bool prepares = operation_ == Operation::kPrepare;
  without_ = prepares ? before : after;
  with_ = prepares ? after : before;
  DRAPCI_CHECK(Finish());
  return ParseCounts(finished.out);
}

Result<> CrashTrial::CheckRecovered() {
  DRAPCI_TRY(const std::string state, node_.ClaimState(case_.claim.name));
  if (!state.empty() && state != "prepared")
    return Fail(Code::kConflict, "the claim is half done: " + state);
  DRAPCI_CHECK(Expect(state.empty() ? without_ : with_,
                      state.empty() ? "the claim is gone, but" : "the claim is prepared, but"));
  for (const ClaimSpec& claim : case_.held) {
    DRAPCI_TRY(const std::string other, node_.ClaimState(claim.name));
    if (other != "prepared")
      return Fail(Code::kConflict, fmt::format("claim {} is \"{}\"", claim.name, other));
  }
  DRAPCI_CHECK(node_.CliDo({"verify"}));
  return {};
}

Result<bool> CrashTrial::Try(int n) {
  DRAPCI_CHECK(Begin());
  DRAPCI_TRY(const Finished finished, UnderCrashpoint(n));
  const bool reached = finished.code != kFewerPoints;
  if (reached && finished.code != 0) return Fail(Code::kIo, finished.out + finished.err);
  if (reached) {
    DRAPCI_CHECK(node_.WaitEnded());
    DRAPCI_CHECK(node_.Start());
  }
  DRAPCI_CHECK(CheckRecovered());
  DRAPCI_CHECK(node_.CliDo(OperationArguments()));
  DRAPCI_CHECK(Expect(operation_ == Operation::kPrepare ? with_ : without_,
                      "after the same operation again"));
  DRAPCI_CHECK(node_.CliDo({"verify"}));
  DRAPCI_CHECK(Finish());
  return reached;
}

}  // namespace drapci::test
