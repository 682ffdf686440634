#include "plugin/claim_directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/json.h"
#include "plugin/text.h"
#include "plugin/yaml_json.h"

namespace drapci::plugin {
namespace {

// A DNS subdomain (RFC 1123), which is one path component that cannot mean another directory.
bool IsDnsSubdomain(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 253 && alphanumeric(name.front()) &&
         alphanumeric(name.back()) && !name.contains("..") &&
         std::ranges::all_of(name, [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; });
}

}  // namespace

ClaimDirectory::ClaimDirectory(std::string root) : root_(std::move(root)) {}

void ClaimDirectory::GetClaim(std::string namespace_name, std::string name, std::string,
                              std::function<void(Result<std::string>)> done) {
  done(Read(namespace_name, name));
}

Result<std::string> ClaimDirectory::Read(const std::string& namespace_name,
                                         const std::string& name) const {
  for (const std::string* component : {&namespace_name, &name}) {
    if (!IsDnsSubdomain(*component)) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no name that Kubernetes allows",
                                              Printable(*component, 100)));
    }
  }
  const std::string path = fmt::format("{}/{}/{}", root_, namespace_name, name);
  auto json = ReadFile(path + ".json", kMaxJsonBytes);
  if (json || json.error().code != Code::kNotFound) return json;
  auto yaml = ReadFile(path + ".yaml", kMaxJsonBytes);
  if (!yaml) {
    if (yaml.error().code != Code::kNotFound) return yaml;
    return Fail(Code::kNotFound, fmt::format("there is no claim {}.json or {}.yaml", path, path));
  }
  auto converted = YamlToJson(*yaml);
  if (!converted) return Fail(std::move(converted).error().Within(path + ".yaml"));
  return converted;
}

}  // namespace drapci::plugin
