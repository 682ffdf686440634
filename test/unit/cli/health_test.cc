#include "plugin/cli/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::CardHealth Unhealthy() {
  v1::CardHealth health;
  health.set_state("Unhealthy");
  health.set_reason("PcieFatalError");
  health.set_message("PCI Express reports fatal errors: aer_fatal grew by 1 to 1 within 60 s");
  health.set_since("2026-03-01T12:00:00.000Z");
  health.set_measured("2026-03-01T12:00:04.000Z");
  auto& finding = *health.add_findings();
  finding.set_rule("aer-fatal");
  finding.set_severity("no-schedule");
  return health;
}

TEST(HealthTest, ListsEachCardWithItsReason) {
  v1::GetHealthResponse answer;
  auto& card = *answer.add_cards();
  card.set_name("pci-0000-02-00-0");
  *card.mutable_health() = Unhealthy();
  EXPECT_EQ(
      RenderHealth(answer, Format::kTable),
      "NAME               HEALTH      REASON           SINCE                      MESSAGE\n"
      "pci-0000-02-00-0   Unhealthy   PcieFatalError   2026-03-01T12:00:00.000Z   PCI Express "
      "reports fatal errors: aer_fatal grew by 1 to 1 within 60 s\n");
  EXPECT_THAT(RenderHealth(answer, Format::kWide), HasSubstr("aer-fatal=no-schedule"));
  EXPECT_THAT(RenderHealth(answer, Format::kTable), Not(HasSubstr("aer-fatal=")));
  EXPECT_THAT(RenderHealth(answer, Format::kJson), HasSubstr("\"reason\": \"PcieFatalError\""));
  EXPECT_EQ(RenderHealth({}, Format::kTable), "No devices found.\n");
}

TEST(HealthTest, AnExplanationHasSourcesReadingsAndWhatHasHappened) {
  v1::ExplainHealthResponse answer;
  answer.set_name("pci-0000-02-00-0");
  *answer.mutable_health() = Unhealthy();
  auto& source = *answer.add_sources();
  source.set_name("aer");
  source.set_period_milliseconds(5000);
  source.set_held_up(true);
  auto& reading = *source.add_readings();
  reading.set_signal("aer_fatal");
  reading.set_value(1);
  auto& event = *answer.add_history();
  event.set_kind("crossed");
  event.set_rule("aer-fatal");
  event.set_text("grew \x1b[31m");
  const std::string text = RenderExplanation(answer, Format::kTable);
  EXPECT_THAT(text, HasSubstr("pci-0000-02-00-0: Unhealthy (PcieFatalError): PCI Express"));
  EXPECT_THAT(text, HasSubstr("aer      5 s"));
  EXPECT_THAT(text, HasSubstr("does not come back"));
  EXPECT_THAT(text, HasSubstr("crossed"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(HealthTest, AnEventIsALineInEveryFormatOfLines) {
  v1::Event event;
  event.set_number(3);
  event.set_time("2026-03-01T12:00:00.000Z");
  event.set_card("pci-0000-02-00-0");
  event.set_kind("recovered");
  event.set_rule("aer-fatal");
  event.set_text("nothing more for 600 s");
  EXPECT_EQ(RenderEvent(event, Format::kTable),
            "2026-03-01T12:00:00.000Z  pci-0000-02-00-0  recovered  aer-fatal: nothing more for "
            "600 s\n");
  const std::string json = RenderEvent(event, Format::kJson);
  EXPECT_EQ(json.find('\n'), json.size() - 1);
  EXPECT_THAT(json, HasSubstr("\"number\":3"));
}

}  // namespace
}  // namespace drapci::cli
