#include "plugin/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "test/unit/metrics/sample.h"

namespace drapci::plugin::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;
using Work = driver::Observer::Work;

TEST(MetricsTest, CountsCallsByFamilyAndResultFrom100Microseconds) {
  const std::string text = SampleMetrics()->Scrape();
  EXPECT_THAT(text, HasSubstr("# TYPE drapci_prepare_duration_seconds histogram\n"));
  const char* const kOk = "drapci_prepare_duration_seconds_bucket{family=\"sriov\",result=\"ok\",";
  EXPECT_THAT(text, HasSubstr(std::string(kOk) + "le=\"0.0001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(std::string(kOk) + "le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_prepare_duration_seconds_count{family=\"sriov\","
                              "result=\"error\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_unprepare_duration_seconds_count{family=\"sriov\","
                              "result=\"ok\"} 1\n"));
}

TEST(MetricsTest, CountsSteps) {
  const std::string text = SampleMetrics()->Scrape();
  EXPECT_THAT(text, HasSubstr("drapci_prepare_step_duration_seconds_sum{family=\"sriov\","
                              "result=\"ok\",step=\"sriov.numvfs\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("drapci_unprepare_step_duration_seconds_bucket{family=\"sriov\","
                              "result=\"ok\",step=\"sriov.numvfs\",le=\"30\"} 0\n"));
}

TEST(MetricsTest, TellsTheCardsTheirPartsAndTheirCondition) {
  const std::string text = SampleMetrics()->Scrape();
  const std::string card = "{device=\"pci-0000-02-00-0\",family=\"sriov\"";
  EXPECT_THAT(text, HasSubstr("drapci_devices 2\n"));
  EXPECT_THAT(text, HasSubstr("drapci_claims_held 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_parts" + card + ",state=\"held\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_parts" + card + ",state=\"free\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("drapci_stock" + card + ",counter=\"vfs\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("drapci_stock_used" + card + ",counter=\"vfs\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_device_health" + card + ",state=\"unhealthy\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_device_health" + card + ",state=\"healthy\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("drapci_device_findings" + card + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_device_present" + card + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_device_reading{device=\"pci-0000-02-00-0\","
                              "signal=\"temperature\",sensor=\"edge\"} 61.5\n"));
}

TEST(MetricsTest, TellsTheDaemonItself) {
  const std::string text = SampleMetrics()->Scrape();
  EXPECT_THAT(text, HasSubstr("drapci_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_slice_writes_total{verb=\"update\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE drapci_slice_writes_total counter\n"));
  EXPECT_THAT(text, HasSubstr("drapci_events_total{outcome=\"dropped\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("drapci_health_changes_held_back_total 3\n"));
  EXPECT_THAT(text, HasSubstr("drapci_journal_size_bytes 4096\n"));
  EXPECT_THAT(text, HasSubstr("drapci_telemetry_held_up 1\n"));
}

TEST(MetricsTest, LeavesOutWhatNobodyKnows) {
  Sources sources;
  sources.cluster = [] { return std::optional<ClusterCounts>(); };
  const std::string text = Metrics("1", std::move(sources)).Scrape();
  EXPECT_THAT(text, HasSubstr("drapci_build_info"));
  EXPECT_THAT(text, Not(HasSubstr("drapci_slice")));
  EXPECT_THAT(text, Not(HasSubstr("drapci_journal")));
}

TEST(MetricsTest, BreaksNoLineWithWhatHardwareSays) {
  auto snapshot = SampleSnapshot();
  Sources sources = SampleSources(snapshot);
  sources.readings = [] {
    return std::vector<Reading>{{"card", "temp", "a\"b\\c\nd\xff" + std::string(1000, 'x'), 1}};
  };
  const std::string text = Metrics("1", std::move(sources)).Scrape();
  EXPECT_THAT(text, HasSubstr("sensor=\"a\\\"b\\\\c d?xxx"));
  EXPECT_THAT(text, Not(HasSubstr(std::string(200, 'x'))));
}

TEST(MetricsTest, KnowsNoAcceleratorThatWasNeverThere) {
  Metrics metrics("1", {});
  for (int i = 0; i < 100; ++i) {
    metrics.Finished(Work::kPrepare, "made-up-" + std::to_string(i), false, {});
  }
  EXPECT_THAT(metrics.Scrape(), HasSubstr("{family=\"unknown\",result=\"error\"} 100\n"));
  EXPECT_THAT(metrics.Scrape(), Not(HasSubstr("made-up")));
}

TEST(MetricsTest, HasNoMoreSeriesThanItsLimit) {
  Metrics metrics("1", {});
  for (size_t i = 0; i < Metrics::kMaxHistograms + 10; ++i) {
    metrics.StepFinished(Work::kPrepare, "", "step" + std::to_string(i), true, {});
  }
  const std::string text = metrics.Scrape();
  EXPECT_THAT(text, HasSubstr("step=\"step999\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("step=\"step1000\"")));
}

TEST(MetricsTest, MayBeCountedAndScrapedByManyThreads) {
  const auto metrics = SampleMetrics();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics, i] {
      for (int n = 0; n < 1000; ++n) {
        metrics->Finished(Work::kPrepare, "pci-0000-02-00-0", i % 2 == 0, {});
        if (n % 100 == 0) metrics->Scrape();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics->Scrape(), HasSubstr("_count{family=\"sriov\",result=\"ok\"} 2001\n"));
}

}  // namespace
}  // namespace drapci::plugin::metrics
