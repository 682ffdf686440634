#include "driver/health_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "driver/config_fields.h"
#include "driver/text.h"
#include "hal/telemetry/reader.h"
#include "hal/telemetry/signals.h"

namespace drapci::driver {
namespace {

constexpr size_t kMaxRules = 256;
constexpr size_t kMaxInstances = 64;
constexpr size_t kMaxWord = 64;
constexpr size_t kMaxMeaning = 80;
constexpr int kHour = 3600;
constexpr int kDay = 24 * kHour;

using NodeKind = YamlNode::Kind;
using Kind = HealthRule::Kind;
using Until = HealthRule::Until;

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWord && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool IsReason(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWord && text.front() >= 'A' && text.front() <= 'Z' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

bool IsPlain(std::string_view text, size_t most) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::optional<double> ParseNumber(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string KnownSources(bool event) {
  std::string known;
  for (const hal::TelemetrySource& source : hal::TelemetrySources()) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", source.name);
  }
  return event ? known + ", event" : known;
}

bool IsSource(std::string_view name) {
  return std::ranges::any_of(hal::TelemetrySources(),
                             [&](const auto& source) { return source.name == name; });
}

class HealthReader : private ConfigFields {
 public:
  using ConfigFields::ConfigFields;

  void Read(const YamlNode& node, int line, HealthConfig& health) {
    if (node.kind == NodeKind::kNull) return;
    const std::array fields{
        Bool("enabled", health.enabled),
        Field{"periods", [&](const YamlNode& v, int at) { Periods(v, at, health); }},
        Field{"rules", [&](const YamlNode& v, int at) { Rules(v, at, health); }},
    };
    Map(node, line, "health", fields);
  }

 private:
  void Periods(const YamlNode& node, int line, HealthConfig& health) {
    if (node.kind == NodeKind::kNull) return;
    if (node.kind != NodeKind::kMap) {
      return Report(line, "periods must be a map of sources and times (hwmon: 30s)");
    }
    for (const YamlNode& value : node.items) {
      if (!IsSource(value.key)) {
        Report(value.key_line, fmt::format("periods: there is no source {}; allowed: {}",
                                           Quoted(value.key), KnownSources(false)));
        continue;
      }
      int period = 0;
      Duration(value.key, period, 1, kHour, "1s to 1h").read(value, value.key_line);
      if (period > 0) health.periods[value.key] = std::chrono::seconds(period);
    }
  }

  void Rules(const YamlNode& node, int line, HealthConfig& health) {
    if (node.kind == NodeKind::kNull) return;
    if (node.kind != NodeKind::kList) {
      return Report(line, "rules must be a list of rules (\"- name: ...\")");
    }
    if (node.items.size() > kMaxRules) {
      return Report(line, fmt::format("rules has {} rules; at most {} are allowed",
                                      node.items.size(), kMaxRules));
    }
    std::set<std::string> seen;
    for (const YamlNode& item : node.items) Rule(item, health.rules, seen);
  }

  void Rule(const YamlNode& node, std::vector<HealthRule>& rules, std::set<std::string>& seen) {
    if (node.kind != NodeKind::kMap) {
      return Report(node.line, "a rule must be a map of keys and values");
    }
    const auto named = std::ranges::find(node.items, "name", &YamlNode::key);
    const std::string name =
        named != node.items.end() && named->kind == NodeKind::kScalar ? named->text : "";
    if (!IsName(name)) {
      return Report(node.line,
                    "a rule needs name: a small letter, then small letters, digits and '-'; that "
                    "of a default rule changes it");
    }
    if (!seen.insert(name).second) {
      return Report(named->key_line, fmt::format("there are two rules {}", Quoted(name)));
    }
    const auto known = std::ranges::find(rules, name, &HealthRule::name);
    const bool is_new = known == rules.end();
    HealthRule rule = is_new ? HealthRule{.name = name} : *known;
    bool enabled = true;
    bool has_kind = !is_new, has_severity = !is_new;
    Fill(node, rule, enabled, has_kind, has_severity);
    if (is_new && (rule.source.empty() || rule.signal.empty() || !has_kind || !has_severity)) {
      return Report(node.line,
                    fmt::format("{} is no default rule: a rule of one's own needs source, signal, "
                                "severity, and one of above, below, equals, increase, occurs and "
                                "text",
                                Quoted(name)));
    }
    if (rule.kind == Kind::kOccurs && rule.source != kEventSource) {
      return Report(node.line, "occurs counts events: it needs source: event");
    }
    if (rule.reason.empty()) rule.reason = "OperatorRule";
    if (rule.meaning.empty()) rule.meaning = "The rule " + name + " speaks against it";
    if (!is_new) {
      *known = rule;
      if (!enabled) rules.erase(known);
    } else if (enabled) {
      rules.push_back(std::move(rule));
    }
  }

  void Fill(const YamlNode& node, HealthRule& rule, bool& enabled, bool& has_kind,
            bool& has_severity) {
    std::optional<Kind> kind;
    const auto limit = [&](std::string_view key, Kind its, bool signal_too) {
      return Field{key, [this, key, its, signal_too, &rule, &kind, &has_kind](const YamlNode& value,
                                                                              int line) {
                     Limit(key, value, line, signal_too, rule);
                     if (kind) {
                       Report(line, fmt::format("a rule has one condition, not {} and {}",
                                                NameOf(*kind), key));
                     }
                     kind = rule.kind = its;
                     has_kind = true;
                   }};
    };
    const std::array fields{
        Field{"name", [](const YamlNode&, int) {}},
        Bool("enabled", enabled),
        Text("family", rule.family, "the name of a family, such as sriov or amdgpu", IsName),
        Field{"source", [&](const YamlNode& v, int at) { Source(v, at, rule); }},
        Field{"signal", [&](const YamlNode& v, int at) { Signal("signal", v, at, rule.signal); }},
        Field{"instances",
              [&](const YamlNode& v, int at) { Words("instances", v, at, rule.instances); }},
        Field{"except", [&](const YamlNode& v, int at) { Words("except", v, at, rule.except); }},
        limit("above", Kind::kAbove, true),
        limit("below", Kind::kBelow, true),
        limit("equals", Kind::kEquals, false),
        limit("increase", Kind::kIncrease, false),
        limit("occurs", Kind::kOccurs, false),
        Field{"text",
              [&](const YamlNode& v, int at) {
                Text("text", rule.text, "1 to 64 printable characters", [](std::string_view text) {
                  return IsPlain(text, kMaxWord);
                }).read(v, at);
                if (kind)
                  Report(at,
                         fmt::format("a rule has one condition, not {} and text", NameOf(*kind)));
                kind = rule.kind = Kind::kText;
                has_kind = true;
              }},
        Time("within", rule.window, 1),
        Time("for", rule.hold, 0),
        Field{"severity",
              [&](const YamlNode& v, int at) {
                has_severity = true;
                Choice<Severity>("severity", rule.severity,
                                 {{"note", Severity::kNote},
                                  {"no-schedule", Severity::kNoSchedule},
                                  {"no-execute", Severity::kNoExecute}})
                    .read(v, at);
              }},
        Text("reason", rule.reason, "one word in CamelCase, such as TooHot", IsReason),
        Text("meaning", rule.meaning, "the beginning of a sentence, at most 80 characters",
             [](std::string_view text) { return IsPlain(text, kMaxMeaning); }),
        Time("quiet", rule.quiet, 0),
        Field{"margin",
              [&](const YamlNode& v, int at) {
                Number("margin", v, at, rule.margin, "a number, not below 0");
                if (rule.margin < 0) Refuse("margin", v, "a number, not below 0");
              }},
        Choice<Until>("until", rule.until,
                      {{"quiet", Until::kQuiet},
                       {"rebind", Until::kRebind},
                       {"replug", Until::kReplug},
                       {"operator", Until::kOperator}}),
    };
    Map(node, node.line, "a rule of health", fields);
  }

  Field Time(std::string_view key, std::chrono::seconds& target, int least) {
    return {key, [=, this, &target](const YamlNode& value, int line) {
              int amount = -1;
              Duration(key, amount, least, kDay, least == 0 ? "0 to 24h" : "1s to 24h")
                  .read(value, line);
              if (amount >= 0) target = std::chrono::seconds(amount);
            }};
  }

  bool Number(std::string_view key, const YamlNode& value, int line, double& target,
              std::string_view allowed) {
    const std::string* text = Scalar(key, value, line, allowed);
    if (text == nullptr) return false;
    const auto number = ParseNumber(*text);
    if (value.quoted || !number) {
      Refuse(key, value, allowed);
      return false;
    }
    target = *number;
    return true;
  }

  void Limit(std::string_view key, const YamlNode& value, int line, bool signal_too,
             HealthRule& rule) {
    rule.limit_signal.clear();
    if (signal_too && value.kind == NodeKind::kScalar && !ParseNumber(value.text)) {
      return Signal(key, value, line, rule.limit_signal);
    }
    Number(key, value, line, rule.limit,
           signal_too ? "a number, or a signal of the same source" : "a number");
  }

  void Source(const YamlNode& value, int line, HealthRule& rule) {
    const std::string* text = Scalar("source", value, line, KnownSources(true));
    if (text == nullptr) return;
    if (*text != kEventSource && !IsSource(*text)) {
      return Refuse("source", value, KnownSources(true));
    }
    rule.source = *text;
  }

  void Signal(std::string_view key, const YamlNode& value, int line, std::string& target) {
    constexpr std::string_view kAllowed =
        "a signal of hal/telemetry/README.md, such as temperature or aer_fatal";
    const std::string* text = Scalar(key, value, line, kAllowed);
    if (text == nullptr) return;
    if (hal::FindSignal(*text) == nullptr) return Refuse(key, value, kAllowed);
    target = *text;
  }

  void Words(std::string_view key, const YamlNode& value, int line,
             std::vector<std::string>& target) {
    const std::string allowed = fmt::format("{} must be a list of instances ([edge, mem])", key);
    if (value.kind != NodeKind::kList || value.items.size() > kMaxInstances) {
      return Report(line, allowed);
    }
    target.clear();
    for (const YamlNode& item : value.items) {
      if (item.kind != NodeKind::kScalar || !IsPlain(item.text, kMaxWord)) {
        return Report(item.line, allowed);
      }
      target.push_back(item.text);
    }
  }
};

}  // namespace

void ReadHealthConfig(const YamlNode& node, int line, HealthConfig& health,
                      std::vector<ConfigError>& errors) {
  HealthReader(errors).Read(node, line, health);
}

}  // namespace drapci::driver
