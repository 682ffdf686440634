// The fields of a map in a configuration file: what each may hold, and how errors speak of it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "driver/config.h"
#include "driver/yaml_tree.h"

namespace drapci::driver {

// Not for use by several threads. Every error goes to the list; what is wrong leaves its target as
// it was.
class ConfigFields {
 public:
  // `errors` must outlive this.
  explicit ConfigFields(std::vector<ConfigError>& errors) : errors_(errors) {}

  // One known key of a map and what reads its value. `line` is that of the key.
  struct Field {
    std::string_view key;
    std::function<void(const YamlNode& value, int line)> read;
  };

  // Reads each key of `node` by its field; `what` names the map in messages.
  void Map(const YamlNode& node, int line, std::string_view what, std::span<const Field> fields);

  std::vector<ConfigError>& errors() const { return errors_; }
  void Report(int line, std::string text);
  // The value when it is one; null after an error.
  const std::string* Scalar(std::string_view key, const YamlNode& value, int line,
                            std::string_view allowed);
  void Refuse(std::string_view key, const YamlNode& value, std::string_view allowed);

  // Fields of the usual types. The targets must outlive the field.
  Field Text(std::string_view key, std::string& target, std::string_view allowed,
             bool (*is_allowed)(std::string_view));
  Field Path(std::string_view key, std::string& target);
  Field Bool(std::string_view key, bool& target);
  // "30", "30s", "10m" or "1h", in seconds: `least` to `most`, or `also`.
  Field Duration(std::string_view key, int& target, int least, int most, std::string_view allowed,
                 std::optional<int> also = std::nullopt);

  template <class T>
  Field Choice(std::string_view key, T& target,
               std::vector<std::pair<std::string_view, T>> choices) {
    std::string allowed;
    for (const auto& [name, value] : choices) {
      if (!allowed.empty()) allowed += ", ";
      allowed += name;
    }
    return {key, [=, this, &target](const YamlNode& value, int line) {
              const std::string* text = Scalar(key, value, line, allowed);
              if (text == nullptr) return;
              for (const auto& [name, choice] : choices) {
                if (*text == name) {
                  target = choice;
                  return;
                }
              }
              Refuse(key, value, allowed);
            }};
  }

 private:
  std::vector<ConfigError>& errors_;
};

}  // namespace drapci::driver
