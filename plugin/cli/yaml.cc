#include "plugin/cli/yaml.h"

#include <nlohmann/json.hpp>

namespace drapci::cli {
namespace {

using Json = nlohmann::ordered_json;

// Whether a YAML reader of any schema takes the plain `text` for just this text.
bool IsPlainText(std::string_view text) {
  auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !(is_letter(text[0]) || text[0] == '/' || text[0] == '_')) return false;
  for (char c : text) {
    const bool fine =
        is_letter(c) || (c >= '0' && c <= '9') || std::string_view("/_.-").contains(c);
    if (!fine) return false;
  }
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (std::string_view word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return false;
  }
  return true;
}

std::string ScalarText(const Json& value) {
  if (value.is_string() && IsPlainText(value.get_ref<const std::string&>()))
    return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsLeaf(const Json& value) { return !value.is_structured() || value.empty(); }

void Emit(const Json& value, int depth, std::string& out) {
  const std::string indent(static_cast<size_t>(depth) * 2, ' ');
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      out += indent + ScalarText(Json(key)) + ":";
      if (IsLeaf(item)) {
        out += " " + ScalarText(item) + "\n";
      } else {
        out += "\n";
        Emit(item, item.is_array() ? depth : depth + 1, out);
      }
    }
    return;
  }
  for (const Json& item : value) {
    if (IsLeaf(item)) {
      out += indent + "- " + ScalarText(item) + "\n";
      continue;
    }
    std::string nested;
    Emit(item, depth + 1, nested);
    nested.replace(static_cast<size_t>(depth) * 2, 2, "- ");
    out += nested;
  }
}

}  // namespace

std::string JsonToYaml(std::string_view json) {
  const Json value = Json::parse(json, nullptr, false);
  if (IsLeaf(value)) return ScalarText(value) + "\n";
  std::string out;
  Emit(value, 0, out);
  return out;
}

}  // namespace drapci::cli
