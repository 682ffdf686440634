#include "driver/config_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "driver/text.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

using Kind = YamlNode::Kind;

// Edits that turn `a` into `b`, case ignored.
size_t Distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

// ", did you mean 'stateDir'?", or every key that is known.
std::string Suggestion(std::string_view key, std::span<const ConfigFields::Field> fields) {
  constexpr size_t kLongestTypo = 40;
  constexpr size_t kMaxDistance = 2;
  if (key.size() <= kLongestTypo) {
    const auto nearest =
        std::ranges::min_element(fields, {}, [&](const auto& f) { return Distance(key, f.key); });
    if (Distance(key, nearest->key) <= std::min(kMaxDistance, (nearest->key.size() + 1) / 3)) {
      return fmt::format(", did you mean '{}'?", nearest->key);
    }
  }
  std::string known;
  for (const auto& field : fields) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", field.key);
  }
  return fmt::format("; allowed: {}", known);
}

// Seconds; empty for what is no duration.
std::optional<int64_t> ParseDuration(std::string_view text) {
  int64_t unit = 1;
  if (text.ends_with('h')) unit = 3600;
  if (text.ends_with('m')) unit = 60;
  if (unit != 1 || text.ends_with('s')) text.remove_suffix(1);
  const auto number = ParseInt<int32_t>(text);
  if (!number) return std::nullopt;
  return *number * unit;
}

}  // namespace

void ConfigFields::Report(int line, std::string text) {
  errors_.push_back({.line = line, .text = std::move(text)});
}

void ConfigFields::Map(const YamlNode& node, int line, std::string_view what,
                       std::span<const Field> fields) {
  if (node.kind != Kind::kMap) {
    Report(line, fmt::format("{} must be a map of keys and values", what));
    return;
  }
  for (const YamlNode& value : node.items) {
    const auto field = std::ranges::find(fields, value.key, &Field::key);
    if (field == fields.end()) {
      Report(value.key_line,
             fmt::format("unknown key {}{}", Quoted(value.key), Suggestion(value.key, fields)));
    } else {
      field->read(value, value.key_line);
    }
  }
}

const std::string* ConfigFields::Scalar(std::string_view key, const YamlNode& value, int line,
                                        std::string_view allowed) {
  if (value.kind == Kind::kScalar) return &value.text;
  Report(line,
         fmt::format("{} {}; allowed: {}", key,
                     value.kind == Kind::kNull ? "has no value" : "must be one value", allowed));
  return nullptr;
}

void ConfigFields::Refuse(std::string_view key, const YamlNode& value, std::string_view allowed) {
  Report(value.line,
         fmt::format("{}: {} is not allowed; allowed: {}", key, Quoted(value.text), allowed));
}

ConfigFields::Field ConfigFields::Text(std::string_view key, std::string& target,
                                       std::string_view allowed,
                                       bool (*is_allowed)(std::string_view)) {
  return {key, [=, this, &target](const YamlNode& value, int line) {
            const std::string* text = Scalar(key, value, line, allowed);
            if (text == nullptr) return;
            if (!is_allowed(*text)) return Refuse(key, value, allowed);
            target = *text;
          }};
}

ConfigFields::Field ConfigFields::Path(std::string_view key, std::string& target) {
  const auto read = Text(key, target, "an absolute path without '.' and '..'",
                         [](std::string_view text) { return IsPlainPath(text); });
  return {key, [read, &target](const YamlNode& value, int line) {
            read.read(value, line);
            while (target.size() > 1 && target.ends_with('/')) target.pop_back();
          }};
}

ConfigFields::Field ConfigFields::Bool(std::string_view key, bool& target) {
  return {key, [=, this, &target](const YamlNode& value, int line) {
            constexpr std::string_view kAllowed = "true, false (without quotes)";
            const std::string* text = Scalar(key, value, line, kAllowed);
            if (text == nullptr) return;
            if (value.quoted || (*text != "true" && *text != "false")) {
              return Refuse(key, value, kAllowed);
            }
            target = *text == "true";
          }};
}

ConfigFields::Field ConfigFields::Duration(std::string_view key, int& target, int least, int most,
                                           std::string_view allowed, std::optional<int> also) {
  return {key, [=, this, &target](const YamlNode& value, int line) {
            const std::string* text = Scalar(key, value, line, allowed);
            if (text == nullptr) return;
            const auto seconds = ParseDuration(*text);
            if (!seconds || ((*seconds < least || *seconds > most) && seconds != also)) {
              return Refuse(key, value, allowed);
            }
            target = static_cast<int>(*seconds);
          }};
}

}  // namespace drapci::driver
