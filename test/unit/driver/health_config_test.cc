#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "driver/config.h"

namespace drapci::driver {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

HealthConfig Good(std::string_view yaml) {
  const auto config = ParseConfig(yaml);
  if (config) return config->health;
  for (const ConfigError& error : config.error()) ADD_FAILURE() << error.line << ": " << error.text;
  return {};
}

std::vector<std::string> Errors(std::string_view yaml) {
  std::vector<std::string> out;
  const auto config = ParseConfig(yaml);
  if (config) return out;
  for (const ConfigError& error : config.error()) {
    out.push_back(fmt::format("{}: {}", error.line, error.text));
  }
  return out;
}

const HealthRule* Find(const HealthConfig& config, std::string_view name) {
  const auto rule = std::ranges::find(config.rules, name, &HealthRule::name);
  return rule == config.rules.end() ? nullptr : &*rule;
}

TEST(HealthConfigTest, WithoutAWordTheDefaultRulesHold) {
  for (const char* yaml : {"", "health:\n", "health: {}\n", "health:\n  rules:\n"}) {
    EXPECT_EQ(Good(yaml).rules, DefaultHealthRules());
  }
  EXPECT_FALSE(Good("health: {enabled: false}").enabled);
}

TEST(HealthConfigTest, ADefaultRuleIsChangedInWhatIsSaidAlone) {
  const HealthConfig config = Good(R"(
health:
  periods: {aer: 1s, hwmon: 1m}
  rules:
  - name: aer-fatal
    increase: 3
    within: 10m
    severity: no-execute
    until: operator
  - name: link-width
    enabled: false
)");
  EXPECT_THAT(config.periods,
              ElementsAre(std::pair("aer", seconds(1)), std::pair("hwmon", seconds(60))));
  const HealthRule* rule = Find(config, "aer-fatal");
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->limit, 3);
  EXPECT_EQ(rule->window, seconds(600));
  EXPECT_EQ(rule->severity, Severity::kNoExecute);
  EXPECT_EQ(rule->until, HealthRule::Until::kOperator);
  EXPECT_EQ(rule->reason, "PcieFatalError");
  EXPECT_THAT(rule->except, ElementsAre("root port"));
  EXPECT_EQ(Find(config, "link-width"), nullptr);
  EXPECT_EQ(config.rules.size(), DefaultHealthRules().size() - 1);
}

TEST(HealthConfigTest, ARuleOfOnesOwnIsAdded) {
  const HealthConfig config = Good(R"(
health:
  rules:
  - name: my-junction
    family: amdgpu
    source: hwmon
    signal: temperature
    instances: [junction]
    above: 95.5
    margin: 5
    for: 30s
    quiet: 2m
    severity: no-schedule
    reason: TooHot
    meaning: Our racks want it cooler
  - {name: speed, source: link, signal: link_speed, below: link_width, severity: note}
)");
  const HealthRule* rule = Find(config, "my-junction");
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->kind, HealthRule::Kind::kAbove);
  EXPECT_EQ(rule->limit, 95.5);
  EXPECT_EQ(rule->hold, seconds(30));
  EXPECT_EQ(rule->quiet, seconds(120));
  EXPECT_THAT(rule->instances, ElementsAre("junction"));
  const HealthRule* other = Find(config, "speed");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->limit_signal, "link_width");
  EXPECT_EQ(other->reason, "OperatorRule");
}

TEST(HealthConfigTest, EachErrorIsToldWithItsLineAndWhatIsAllowed) {
  EXPECT_THAT(Errors("health: 5"), ElementsAre(HasSubstr("1: health must be a map")));
  EXPECT_THAT(Errors("health:\n  priods: {}"), ElementsAre(HasSubstr("did you mean 'periods'")));
  EXPECT_THAT(Errors("health:\n  periods: {are: 5s}"),
              ElementsAre(HasSubstr("2: periods: there is no source 'are'; allowed: power, aer")));
  EXPECT_THAT(Errors("health:\n  periods: {aer: 0}"), ElementsAre(HasSubstr("1s to 1h")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {above: 5}"),
              ElementsAre(HasSubstr("3: a rule needs name")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: mine, above: 5}"),
              ElementsAre(HasSubstr("'mine' is no default rule")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal}\n  - {name: aer-fatal}"),
              ElementsAre(HasSubstr("4: there are two rules 'aer-fatal'")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, above: 1, below: 2}"),
              ElementsAre(HasSubstr("one condition, not above and below")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, increase: nan}"),
              ElementsAre(HasSubstr("increase: 'nan' is not allowed; allowed: a number")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, signal: aer_fatl}"),
              ElementsAre(HasSubstr("signal: 'aer_fatl' is not allowed")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, severity: bad}"),
              ElementsAre(HasSubstr("note, no-schedule, no-execute")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, until: noon}"),
              ElementsAre(HasSubstr("quiet, rebind, replug, operator")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, margin: -1}"),
              ElementsAre(HasSubstr("not below 0")));
  EXPECT_THAT(Errors("health:\n  rules:\n  - {name: aer-fatal, occurs: 1}"),
              ElementsAre(HasSubstr("needs source: event")));
}

}  // namespace
}  // namespace drapci::driver
