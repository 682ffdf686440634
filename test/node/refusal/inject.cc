#include "test/node/refusal/inject.h"

#include <fmt/format.h>

#include <sstream>

#include "hal/base/parse.h"

namespace drapci::test {

Result<std::string> Injector::Run(std::vector<std::string> words) const {
  words.insert(words.begin(), {program_, "inject"});
  DRAPCI_TRY(Finished finished, RunCommand(words));
  if (finished.code == 0) return std::move(finished.out);
  return Fail(Code::kIo, fmt::format("drapci-sim inject: exit {}: {}{}", finished.code,
                                     finished.out, finished.err));
}

Result<> Injector::Clear() const {
  DRAPCI_TRY(std::string ignored, Run({"clear"}));
  DRAPCI_TRY(ignored, Run({"writes", "--reset"}));
  return {};
}

Result<> Injector::FailWrite(int passing, const std::string& error) const {
  std::string ignored;
  if (passing > 0) {
    DRAPCI_TRY(ignored, Run({"fault", "*", "OK", "--count", fmt::format("{}", passing)}));
  }
  DRAPCI_TRY(ignored, Run({"fault", "*", error, "--count", "1"}));
  return {};
}

Result<std::vector<HardwareWrite>> Injector::Writes() const {
  DRAPCI_TRY(const std::string text, Run({"writes"}));
  std::vector<HardwareWrite> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto fields = Split(line, '\t');  // RESULT, PATH, VALUE; the last line is a total
    if (fields.size() == 3)
      out.push_back({.path = std::string(fields[1]), .value = std::string(fields[2])});
  }
  return out;
}

}  // namespace drapci::test
