#include "plugin/daemon/reload.h"

#include <algorithm>
#include <map>

#include "driver/yaml_tree.h"

namespace drapci::plugin {
namespace {

using driver::YamlNode;

bool Same(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind || a.text != b.text || a.key != b.key || a.quoted != b.quoted) return false;
  if (a.kind != YamlNode::Kind::kMap) return std::ranges::equal(a.items, b.items, Same);
  // The order of keys means nothing.
  return std::ranges::is_permutation(a.items, b.items, Same);
}

std::map<std::string, YamlNode> Keys(std::string_view yaml) {
  std::vector<driver::ConfigError> errors;
  std::map<std::string, YamlNode> keys;
  for (YamlNode& each : driver::ReadYaml(yaml, errors).items) keys[each.key] = each;
  return keys;
}

}  // namespace

std::vector<std::string> ChangedKeys(std::string_view before, std::string_view after) {
  const auto old_keys = Keys(before);
  const auto new_keys = Keys(after);
  std::vector<std::string> changed;
  for (const auto& [key, value] : old_keys) {
    const auto now = new_keys.find(key);
    if (now == new_keys.end() || !Same(value, now->second)) changed.push_back(key);
  }
  for (const auto& [key, value] : new_keys) {
    if (!old_keys.contains(key)) changed.push_back(key);
  }
  std::ranges::sort(changed);
  return changed;
}

}  // namespace drapci::plugin
