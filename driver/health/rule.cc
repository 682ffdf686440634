#include "driver/health/rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace drapci::driver {

bool HealthRule::Matches(std::string_view family_name, std::string_view instance) const {
  if (!family.empty() && family != family_name) return false;
  if (std::ranges::find(except, instance) != except.end()) return false;
  return instances.empty() || std::ranges::find(instances, instance) != instances.end();
}

HealthConfig::HealthConfig() : rules(DefaultHealthRules()) {}

const char* NameOf(HealthRule::Kind kind) {
  switch (kind) {
    case HealthRule::Kind::kAbove: return "above";
    case HealthRule::Kind::kBelow: return "below";
    case HealthRule::Kind::kEquals: return "equals";
    case HealthRule::Kind::kIncrease: return "increase";
    case HealthRule::Kind::kText: return "text";
    case HealthRule::Kind::kOccurs: return "occurs";
  }
  return "above";
}

const char* NameOf(HealthRule::Until until) {
  switch (until) {
    case HealthRule::Until::kQuiet: return "quiet";
    case HealthRule::Until::kRebind: return "rebind";
    case HealthRule::Until::kReplug: return "replug";
    case HealthRule::Until::kOperator: return "operator";
  }
  return "quiet";
}

std::string TextOf(const HealthRule& rule) {
  const std::string limit =
      rule.limit_signal.empty() ? fmt::format("{:g}", rule.limit) : rule.limit_signal;
  std::string what;
  switch (rule.kind) {
    case HealthRule::Kind::kAbove: what = "above " + limit; break;
    case HealthRule::Kind::kBelow: what = "below " + limit; break;
    case HealthRule::Kind::kEquals: what = "is " + limit; break;
    case HealthRule::Kind::kIncrease:
      what = fmt::format("grows by {} within {} s", limit, rule.window.count());
      break;
    case HealthRule::Kind::kOccurs:
      what = fmt::format("comes {} times within {} s", limit, rule.window.count());
      break;
    case HealthRule::Kind::kText: what = fmt::format("says '{}'", rule.text); break;
  }
  std::string text = fmt::format("{} {} {}", rule.source, rule.signal, what);
  if (!rule.instances.empty()) text += fmt::format(" ({})", fmt::join(rule.instances, ", "));
  if (rule.hold.count() > 0) text += fmt::format(" for {} s", rule.hold.count());
  return text;
}

}  // namespace drapci::driver
