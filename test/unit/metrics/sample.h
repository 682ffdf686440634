// Metrics of a daemon that has seen a bit of everything.
#pragma once

#include <chrono>
#include <memory>

#include "plugin/metrics/metrics.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::metrics {

inline std::shared_ptr<driver::Snapshot> SampleSnapshot() {
  auto snapshot = std::make_shared<driver::Snapshot>();
  snapshot->accelerators = {slices::SriovCard(2, 4), slices::PlainCard(3)};
  slices::Hold(snapshot->accelerators[0], "vf1");
  snapshot->accelerators[0].counters_used = {{"vfs", 1}};
  snapshot->accelerators[0].health.state = driver::HealthState::kUnhealthy;
  snapshot->accelerators[0].health.findings.resize(1);
  return snapshot;
}

inline Sources SampleSources(std::shared_ptr<driver::Snapshot> snapshot = SampleSnapshot()) {
  Sources sources;
  sources.snapshot = [snapshot] { return snapshot; };
  sources.cluster = [] {
    ClusterCounts counts;
    counts.updates = 7;
    counts.held_back = 3;
    counts.events_dropped = 1;
    return counts;
  };
  sources.readings = [] {
    return std::vector<Reading>{{"pci-0000-02-00-0", "temperature", "edge", 61.5}};
  };
  sources.monitor = [] { return MonitorCounts{.looks = 5, .held_up = 1}; };
  sources.journal_bytes = [] { return std::optional<uint64_t>(4096); };
  sources.health_streams = [] { return size_t{2}; };
  return sources;
}

inline std::unique_ptr<Metrics> SampleMetrics() {
  using Work = driver::Observer::Work;
  using std::chrono::microseconds;
  auto metrics = std::make_unique<Metrics>("1.2.3", SampleSources());
  metrics->Look(*SampleSnapshot());
  metrics->Finished(Work::kPrepare, "pci-0000-02-00-0", true, microseconds(300));
  metrics->Finished(Work::kPrepare, "pci-0000-02-00-0", false, microseconds(80));
  metrics->Finished(Work::kUnprepare, "pci-0000-02-00-0", true, microseconds(300));
  metrics->StepFinished(Work::kPrepare, "pci-0000-02-00-0", "sriov.numvfs", true,
                        std::chrono::seconds(2));
  metrics->StepFinished(Work::kUnprepare, "pci-0000-02-00-0", "sriov.numvfs", true,
                        std::chrono::seconds(60));
  return metrics;
}

}  // namespace drapci::plugin::metrics
