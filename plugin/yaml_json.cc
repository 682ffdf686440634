#include "plugin/yaml_json.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "hal/base/parse.h"
#include "plugin/json.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;

constexpr int kMaxValues = 64 * 1024;

std::string AtLine(const YAML::Mark& mark, std::string_view what) {
  return mark.is_null() ? std::string(what) : fmt::format("line {}: {}", mark.line + 1, what);
}

// The value of a scalar: a quoted one (tag "!") is text, a plain one what it looks like.
json Scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto integer = ParseInt<int64_t>(text)) return *integer;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number))
    return number;
  return text;
}

class Converter {
 public:
  Result<json> Convert(const YAML::Node& node, int depth) {
    if (depth > kMaxJsonDepth)
      return Wrong(node, fmt::format("is nested more than {} deep", kMaxJsonDepth));
    if (++values_ > kMaxValues)
      return Wrong(node, fmt::format("holds more than {} values", kMaxValues));
    switch (node.Type()) {
      case YAML::NodeType::Scalar: return Scalar(node);
      case YAML::NodeType::Sequence: {
        json array = json::array();
        for (const YAML::Node& item : node) {
          DRAPCI_TRY(json value, Convert(item, depth + 1));
          array.push_back(std::move(value));
        }
        return array;
      }
      case YAML::NodeType::Map: {
        json object = json::object();
        for (const auto& member : node) {
          if (!member.first.IsScalar()) return Wrong(member.first, "a key must be text");
          const std::string& key = member.first.Scalar();
          if (object.contains(key)) {
            return Wrong(member.first,
                         fmt::format("the key '{}' appears twice", Printable(key, 100)));
          }
          DRAPCI_TRY(json value, Convert(member.second, depth + 1));
          object[key] = std::move(value);
        }
        return object;
      }
      default: return json(nullptr);
    }
  }

 private:
  static std::unexpected<Error> Wrong(const YAML::Node& node, std::string_view what) {
    return Fail(Code::kInvalid, AtLine(node.Mark(), what));
  }

  int values_ = 0;
};

}  // namespace

Result<std::string> YamlToJson(std::string_view yaml) {
  if (yaml.size() > kMaxJsonBytes) {
    return Fail(Code::kInvalid, fmt::format("is {} bytes long, more than the {} that are read",
                                            yaml.size(), kMaxJsonBytes));
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) {
      return Fail(Code::kInvalid,
                  fmt::format("holds {} YAML documents, must hold one", documents.size()));
    }
    DRAPCI_TRY(const json value, Converter().Convert(documents[0], 0));
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  } catch (const YAML::Exception& error) {
    return Fail(Code::kInvalid, "is no YAML: " + Printable(AtLine(error.mark, error.msg), 300));
  } catch (const std::exception& error) {
    return Fail(Code::kInvalid, std::string("is no YAML: ") + Printable(error.what(), 300));
  }
}

}  // namespace drapci::plugin
