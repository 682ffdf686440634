// The dashboard and the alert rules name what is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "plugin/text.h"
#include "plugin/yaml_json.h"
#include "test/unit/metrics/sample.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::metrics {
namespace {

using nlohmann::json;
using testing::Ge;
using testing::IsEmpty;
using testing::Not;

std::string FileText(const std::string& name) {
  const auto text = ReadFile(std::string(DRAPCI_METRICS "/") + name, 1 << 20);
  EXPECT_TRUE(text.has_value()) << name;
  return text.value_or("");
}

std::set<std::string> Matches(const std::string& text, const std::string& pattern) {
  std::set<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator each(text.begin(), text.end(), regex), end; each != end; ++each) {
    found.insert((*each)[each->size() - 1]);
  }
  return found;
}

// The names that a query can use: those of the samples.
std::set<std::string> Served() {
  return Matches(SampleMetrics()->Scrape(), R"((?:^|\n)(drapci_[a-z_]+))");
}

void ExpectServed(const std::string& expression) {
  const auto named = Matches(expression, R"((drapci_[a-z_]+))");
  EXPECT_THAT(named, Not(IsEmpty())) << expression;
  const auto served = Served();
  for (const std::string& name : named) EXPECT_TRUE(served.contains(name)) << name;
  // A label that a metric does not have selects nothing.
  for (const std::string& label : Matches(expression, R"(([a-z]+)=~?")")) {
    EXPECT_TRUE(
        (std::set<std::string>{"instance", "state", "result", "signal", "outcome"}).contains(label))
        << expression;
  }
}

// Every text below `node` that stands under one of the keys.
void Texts(const json& node, const std::string& key, std::vector<std::string>& texts) {
  for (const auto& [name, value] : node.items()) {
    if (node.is_object() && name == key && value.is_string()) texts.push_back(value);
    if (value.is_structured()) Texts(value, key, texts);
  }
}

TEST(MetricsFilesTest, DashboardNamesOnlyWhatIsServed) {
  const json dashboard = json::parse(FileText("dashboard.json"));
  std::vector<std::string> expressions;
  Texts(dashboard, "expr", expressions);
  EXPECT_THAT(expressions.size(), Ge(20U));
  for (const std::string& expression : expressions) ExpectServed(expression);
  std::set<int> ids;
  for (const json& panel : dashboard.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second);
  }
}

TEST(MetricsFilesTest, AlertsNameOnlyWhatIsServed) {
  const auto alerts = YamlToJson(FileText("alerts.yaml"));
  ASSERT_TRUE(alerts.has_value()) << alerts.error().what;
  std::vector<std::string> expressions;
  Texts(json::parse(*alerts), "expr", expressions);
  EXPECT_THAT(expressions.size(), Ge(10U));
  for (const std::string& expression : expressions) ExpectServed(expression);
}

TEST(MetricsFilesTest, ReadmeNamesEveryMetric) {
  const std::string readme = FileText("README.md");
  for (const std::string& type : Matches(SampleMetrics()->Scrape(), R"(# TYPE (drapci_[a-z_]+))")) {
    // "`drapci_slice_write_failures_total`, `_reads_total`": the last words stand for the rest.
    const bool named =
        readme.contains("`" + type + "`") ||
        readme.contains("_" + type.substr(type.rfind('_', type.rfind('_') - 1) + 1) + "`");
    EXPECT_TRUE(named) << type;
  }
}

// Prometheus' own opinion, where it is installed.
TEST(MetricsFilesTest, PassPromtool) {
  if (std::system("command -v promtool > /dev/null") != 0) GTEST_SKIP() << "promtool is not there";
  const TestDir dir;
  const std::string file = dir.Write("metrics.txt", SampleMetrics()->Scrape());
  EXPECT_EQ(std::system(("promtool check metrics < " + file).c_str()), 0);
  EXPECT_EQ(std::system("promtool check rules " DRAPCI_METRICS "/alerts.yaml"), 0);
}

}  // namespace
}  // namespace drapci::plugin::metrics
