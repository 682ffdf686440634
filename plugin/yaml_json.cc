#include "plugin/yaml_json.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "driver/yaml_tree.h"
#include "hal/base/parse.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

using driver::YamlNode;
using nlohmann::json;

json Scalar(const YamlNode& node) {
  const std::string& text = node.text;
  if (node.quoted) return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto integer = ParseInt<int64_t>(text)) return *integer;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number)) {
    return number;
  }
  return text;
}

// Recursive: the reader allows a few levels only.
json Convert(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: break;
    case YamlNode::Kind::kScalar: return Scalar(node);
    case YamlNode::Kind::kList: {
      json array = json::array();
      for (const YamlNode& item : node.items) array.push_back(Convert(item));
      return array;
    }
    case YamlNode::Kind::kMap: {
      json object = json::object();
      for (const YamlNode& item : node.items) object[item.key] = Convert(item);
      return object;
    }
  }
  return nullptr;
}

}  // namespace

Result<std::string> YamlToJson(std::string_view yaml) {
  std::vector<driver::ConfigError> errors;
  const YamlNode root = driver::ReadYaml(yaml, errors);
  if (!errors.empty()) {
    const std::string text = Printable(errors.front().text, 300);
    return Fail(Code::kInvalid, errors.front().line > 0
                                    ? fmt::format("line {}: {}", errors.front().line, text)
                                    : text);
  }
  if (root.kind == YamlNode::Kind::kNull) return Fail(Code::kInvalid, "is empty");
  return Convert(root).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace drapci::plugin
