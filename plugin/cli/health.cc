#include "plugin/cli/health.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plugin/cli/json.h"
#include "plugin/cli/text.h"
#include "plugin/cli/yaml.h"

namespace drapci::cli {
namespace {

using Json = nlohmann::ordered_json;

bool IsData(Format format) { return format == Format::kJson || format == Format::kYaml; }

std::string Data(const Json& value, Format format) {
  const bool json = format == Format::kJson;
  const std::string text = value.dump(json ? 2 : -1, ' ', false, Json::error_handler_t::replace);
  return json ? text + "\n" : JsonToYaml(text);
}

std::string Or(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

std::string Findings(const v1::CardHealth& health) {
  std::string out;
  for (const auto& finding : health.findings()) {
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", finding.rule(), finding.severity());
  }
  return out;
}

std::string SourceState(const v1::TelemetrySource& source) {
  if (source.held_up()) return "does not come back";
  return source.failure();
}

}  // namespace

std::string HealthText(const v1::CardHealth& health) {
  if (health.state() == "Healthy" && health.findings().empty()) return health.state();
  return fmt::format("{} ({}): {}", health.state(), Or(health.reason(), "NotMeasured"),
                     health.message());
}

std::string RenderHealth(const v1::GetHealthResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  const bool wide = format == Format::kWide;
  std::vector<std::string> headings{"NAME", "HEALTH", "REASON", "SINCE"};
  if (wide) headings.insert(headings.end(), {"MEASURED", "RULES"});
  headings.emplace_back("MESSAGE");
  Table table(std::move(headings));
  for (const auto& card : answer.cards()) {
    const v1::CardHealth& health = card.health();
    std::vector<std::string> row{card.name(), health.state(), health.reason(), health.since()};
    if (wide) row.insert(row.end(), {health.measured(), Findings(health)});
    row.push_back(health.message());
    table.Add(std::move(row));
  }
  return table.empty() ? "No devices found.\n" : table.Render();
}

std::string RenderExplanation(const v1::ExplainHealthResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  std::string out =
      fmt::format("{}: {}\n", Printable(answer.name()), Printable(HealthText(answer.health())));
  Table findings({"RULE", "SEVERITY", "REASON", "SINCE", "MESSAGE"});
  for (const auto& finding : answer.health().findings()) {
    findings.Add(
        {finding.rule(), finding.severity(), finding.reason(), finding.since(), finding.message()});
  }
  if (!findings.empty()) out += "\nHeld against it:\n" + findings.Render("  ");
  Table sources({"SOURCE", "PERIOD", "READ", "TROUBLE"});
  Table readings({"SOURCE", "SIGNAL", "OF", "VALUE", "TEXT"});
  for (const auto& source : answer.sources()) {
    sources.Add({source.name(),
                 fmt::format("{:g} s", static_cast<double>(source.period_milliseconds()) / 1000),
                 source.read(), SourceState(source)});
    for (const auto& reading : source.readings()) {
      readings.Add({source.name(), reading.signal(), reading.instance(),
                    fmt::format("{:g}", reading.value()), reading.text()});
    }
  }
  if (!sources.empty()) out += "\nSources:\n" + sources.Render("  ");
  if (!readings.empty()) out += "\nWhat they said last:\n" + readings.Render("  ");
  Table history({"TIME", "EVENT", "RULE", "TEXT"});
  for (const auto& event : answer.history()) {
    history.Add({event.time(), event.kind(), event.rule(), event.text()});
  }
  if (!history.empty()) out += "\nWhat has happened:\n" + history.Render("  ");
  return out;
}

std::string RenderEvent(const v1::Event& event, Format format) {
  // A stream of documents has each on a line of its own.
  if (format == Format::kJson) {
    return ToJson(event).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  if (format == Format::kYaml) return "---\n" + Data(ToJson(event), format);
  return fmt::format("{}  {}  {:<9}  {}{}{}\n", event.time(), Printable(event.card()), event.kind(),
                     Printable(event.rule()), event.rule().empty() ? "" : ": ",
                     Printable(event.text()));
}

}  // namespace drapci::cli
