// What the daemon counts and measures of itself and its cards, as Prometheus reads it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "driver/manager.h"
#include "driver/observer.h"

namespace drapci::plugin::metrics {

// A number of a card that was measured last: "temperature", "edge", 61.5.
struct Reading {
  std::string card, signal, instance;
  double value = 0;
};

// What watching the cards has counted.
struct MonitorCounts {
  uint64_t looks = 0, failures = 0, changes = 0, merged = 0, events = 0;
  size_t held_up = 0;  // readings that do not come back, now
};

// What the part of the daemon that talks to the API server has counted.
struct ClusterCounts {
  uint64_t creates = 0, updates = 0, deletes = 0, failures = 0;  // of slices
  uint64_t reads = 0, probes = 0;
  uint64_t held_back = 0;  // changes of a card's condition that were not told as they came
  uint64_t events_sent = 0, events_merged = 0, events_dropped = 0;
  bool published = false;  // the server has everything as it is now
};

// Where the numbers of a scrape come from; each may be empty. Called on the scrape's thread.
struct Sources {
  std::function<std::shared_ptr<const driver::Snapshot>()> snapshot;
  std::function<std::optional<ClusterCounts>()> cluster;  // empty: no API server
  std::function<std::vector<Reading>()> readings;
  std::function<std::optional<MonitorCounts>()> monitor;  // empty: turned off
  std::function<std::optional<uint64_t>()> journal_bytes;
  std::function<size_t()> health_streams;
  std::function<void()> finished;  // told after each call that is counted, on its thread
};

// Labels come from the hardware and from the program, never from claims, and there are never more
// than kMaxSeries of a kind, or kMaxHistograms of a histogram. Any thread.
class Metrics : public driver::Observer {
 public:
  static constexpr size_t kMaxSeries = 10'000, kMaxHistograms = 1'000;

  Metrics(const std::string& version, Sources sources);
  ~Metrics() override;

  void Finished(Work work, std::string_view accelerator, bool well, Duration took) override;
  void StepFinished(Work work, std::string_view accelerator, std::string_view setting, bool well,
                    Duration took) override;
  // The families of the accelerators are known from here.
  void Look(const driver::Snapshot& snapshot);

  // The text exposition format, 0.0.4.
  std::string Scrape() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::metrics
