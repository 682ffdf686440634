#include "test/sim/board/yaml_reader.h"

#include <fmt/format.h>

#include "hal/base/parse.h"

namespace drapci::sim {

void YamlErrors::Add(const YAML::Node& at, const std::string& what) {
  int line = at.Mark().is_null() ? 0 : at.Mark().line + 1;
  lines.push_back(fmt::format("{}:{}: {}", file, line, what));
}

YamlMap::YamlMap(const YAML::Node& node, const std::map<std::string, std::string>& parameters,
                 YamlErrors& errors)
    : node_(node), parameters_(&parameters), errors_(&errors) {
  if (!node_.IsMap()) errors.Add(node_, "a mapping (key: value) is expected here");
}

YAML::Node YamlMap::Child(const char* key) {
  asked_.insert(key);
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node& constant = node_;
  return constant[key];
}

std::optional<std::string> YamlMap::Scalar(const YAML::Node& node, const char* key) {
  if (!node.IsScalar()) {
    errors_->Add(node, fmt::format("'{}' takes a single value", key));
    return std::nullopt;
  }
  std::string text = node.Scalar();
  for (size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at)) {
    size_t end = text.find('}', at);
    std::string name = text.substr(at + 2, end == std::string::npos ? end : end - at - 2);
    auto value = parameters_->find(name);
    if (end == std::string::npos || value == parameters_->end()) {
      errors_->Add(node, fmt::format("no parameter is called '{}'", name));
      return std::nullopt;
    }
    text.replace(at, end + 1 - at, value->second);
    at += value->second.size();
  }
  return text;
}

std::optional<std::string> YamlMap::Text(const char* key) {
  YAML::Node child = Child(key);
  if (!child.IsDefined()) return std::nullopt;
  return Scalar(child, key);
}

void YamlMap::Get(const char* key, std::string& to) {
  if (auto text = Text(key)) to = *std::move(text);
}

void YamlMap::Get(const char* key, bool& to) {
  auto text = Text(key);
  if (!text) return;
  if (*text != "true" && *text != "false") {
    Error(key, fmt::format("'{}' is true or false, not '{}'", key, *text));
    return;
  }
  to = *text == "true";
}

std::optional<int64_t> YamlMap::Integer(const char* key) {
  auto text = Text(key);
  if (!text) return std::nullopt;
  auto number = text->starts_with("0x") ? ParseHex<int64_t>(*text) : ParseInt<int64_t>(*text);
  if (!number) Error(key, fmt::format("'{}' takes a number, not '{}'", key, *text));
  return number;
}

void YamlMap::Each(const char* key, const std::function<void(YamlMap&)>& item) {
  YAML::Node list = Child(key);
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) {
    errors_->Add(list, fmt::format("'{}' takes a list", key));
    return;
  }
  for (const YAML::Node& node : list) {
    YamlMap map(node, *parameters_, *errors_);
    item(map);
    map.Finish();
  }
}

std::vector<std::string> YamlMap::List(const char* key) {
  std::vector<std::string> texts;
  YAML::Node list = Child(key);
  if (!list.IsDefined()) return texts;
  if (!list.IsSequence()) {
    errors_->Add(list, fmt::format("'{}' takes a list", key));
    return texts;
  }
  for (const YAML::Node& node : list) {
    if (auto text = Scalar(node, key)) texts.push_back(*std::move(text));
  }
  return texts;
}

std::optional<YamlMap> YamlMap::Map(const char* key) {
  YAML::Node child = Child(key);
  if (!child.IsDefined()) return std::nullopt;
  return YamlMap(child, *parameters_, *errors_);
}

std::map<std::string, std::string> YamlMap::Scalars() {
  std::map<std::string, std::string> scalars;
  if (!node_.IsMap()) return scalars;
  for (const auto& entry : node_) {
    std::string key = entry.first.Scalar();
    asked_.insert(key);
    if (auto text = Scalar(entry.second, key.c_str())) scalars[key] = *std::move(text);
  }
  return scalars;
}

void YamlMap::Error(const char* key, const std::string& what) {
  YAML::Node child = Child(key);
  errors_->Add(child.IsDefined() ? child : node_, what);
}

void YamlMap::Finish() {
  if (!node_.IsMap()) return;
  for (const auto& entry : node_) {
    std::string key = entry.first.Scalar();
    if (asked_.contains(key)) continue;
    std::string allowed;
    for (const std::string& known : asked_) allowed += (allowed.empty() ? "" : ", ") + known;
    errors_->Add(entry.first, fmt::format("unknown key '{}'; allowed: {}", key, allowed));
  }
}

}  // namespace drapci::sim
