// Strict reading of a YAML mapping: every key is asked for once, everything else is an error with
// its line.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace drapci::sim {

struct YamlErrors {
  std::string file;
  std::vector<std::string> lines;
  void Add(const YAML::Node& at, const std::string& what);
};

// One mapping. The destructor-less Finish() reports the keys that nobody asked for.
class YamlMap {
 public:
  YamlMap(const YAML::Node& node, const std::map<std::string, std::string>& parameters,
          YamlErrors& errors);

  // The scalar with "${parameter}" replaced; nothing when the key is absent.
  std::optional<std::string> Text(const char* key);
  void Get(const char* key, std::string& to);
  void Get(const char* key, bool& to);
  template <class Number>
  void GetNumber(const char* key, Number& to) {
    if (auto number = Integer(key)) to = static_cast<Number>(*number);
  }
  std::optional<int64_t> Integer(const char* key);  // decimal or 0x...
  // Calls `item` for each element of a list of mappings.
  void Each(const char* key, const std::function<void(YamlMap&)>& item);
  // A list of scalars.
  std::vector<std::string> List(const char* key);
  // A mapping of its own; nothing when absent.
  std::optional<YamlMap> Map(const char* key);
  // All keys of this mapping with scalar values.
  std::map<std::string, std::string> Scalars();
  void Error(const char* key, const std::string& what);
  void Finish();

 private:
  YAML::Node Child(const char* key);
  std::optional<std::string> Scalar(const YAML::Node& node, const char* key);

  YAML::Node node_;
  const std::map<std::string, std::string>* parameters_;
  YamlErrors* errors_;
  std::set<std::string> asked_;
};

}  // namespace drapci::sim
