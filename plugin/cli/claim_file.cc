#include "plugin/cli/claim_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/cli/text.h"
#include "plugin/yaml_json.h"

namespace drapci::cli {
namespace {

// nlohmann's own text, from "parse error at line 1, column 3: ..." on.
std::string JsonComplaint(std::string_view text) {
  try {
    auto parsed = nlohmann::json::parse(text);
    return "";
  } catch (const nlohmann::json::exception& error) {
    std::string what = error.what();
    const size_t from = what.find("] ");
    return Printable(from == std::string::npos ? what : what.substr(from + 2));
  }
}

}  // namespace

Outcome<std::string> ObjectToJson(std::string_view text, std::string_view name) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) {
    return Fail(ExitCode::kFailed, fmt::format("{}: the file is empty", name));
  }
  if (text[start] == '{' && nlohmann::json::accept(text)) return std::string(text);
  auto json = plugin::YamlToJson(text);
  if (json && json->starts_with('{')) return *std::move(json);
  std::string why = json ? "not an object" : Printable(json.error().what);
  // What begins as JSON is reported as JSON, although YAML would take more.
  if (text[start] == '{') why = JsonComplaint(text);
  return Fail(ExitCode::kFailed,
              fmt::format("{}: {}; one object as YAML or JSON is expected", name, why));
}

Outcome<std::string> ReadObjectFile(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : Printable(path);
  UniqueFd file;
  if (!standard_input) {
    file.Reset(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Fail(ExitCode::kFailed, Error::FromErrno(errno, name).what);
  }
  DRAPCI_TRY(std::string text, ReadAll(standard_input ? STDIN_FILENO : file.get(), name));
  return ObjectToJson(text, name);
}

}  // namespace drapci::cli
