#include "plugin/metrics/collect.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "plugin/text.h"

namespace drapci::plugin::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr size_t kMaxLabel = 128;

class Families {
 public:
  // One value of the metric; its family is made with the first.
  void Add(const char* name, const char* help, MetricType type, Labels labels, double value) {
    auto found = std::ranges::find(families_, name, &MetricFamily::name);
    if (found == families_.end()) {
      families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
      found = families_.end() - 1;
    }
    if (found->metric.size() >= Metrics::kMaxSeries) return;
    ClientMetric& metric = found->metric.emplace_back();
    for (ClientMetric::Label& label : labels) label.value = Printable(label.value, kMaxLabel);
    metric.label = std::move(labels);
    if (type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
  }
  void Gauge(const char* name, const char* help, Labels labels, double value) {
    Add(name, help, MetricType::Gauge, std::move(labels), value);
  }
  void Counter(const char* name, const char* help, Labels labels, uint64_t value) {
    Add(name, help, MetricType::Counter, std::move(labels), static_cast<double>(value));
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void AddHealth(const driver::AcceleratorView& card, const Labels& labels, Families& to) {
  using driver::HealthState;
  for (const auto& [state, name] : {std::pair{HealthState::kHealthy, "healthy"},
                                    {HealthState::kUnhealthy, "unhealthy"},
                                    {HealthState::kUnknown, "unknown"}}) {
    Labels with_state = labels;
    with_state.push_back({"state", name});
    to.Gauge("drapci_device_health", "1 for the state that the card is in.", std::move(with_state),
             card.health.state == state ? 1 : 0);
  }
  to.Gauge("drapci_device_findings", "Rules that hold against the card, notes too.", labels,
           static_cast<double>(card.health.findings.size()));
  to.Gauge("drapci_device_present", "0 for a card that was pulled while a claim holds it.", labels,
           card.gone ? 0 : 1);
}

void AddCard(const driver::AcceleratorView& card, std::set<std::string>& claims, Families& to) {
  const Labels labels{{"device", card.name}, {"family", card.family}};
  size_t held = 0, free = 0, blocked = 0;
  for (const driver::Device& device : card.devices) {
    if (device.part.stands_for_share) continue;
    if (!device.held_by.empty()) claims.insert(device.held_by);
    claims.insert(device.shared_by.begin(), device.shared_by.end());
    if (!device.held_by.empty() || !device.shared_by.empty()) {
      ++held;
    } else if (device.unusable.empty() && device.excluded.empty() && !card.gone) {
      ++free;
    } else {
      ++blocked;
    }
  }
  for (const auto& [state, number] :
       {std::pair{"free", free}, {"held", held}, {"blocked", blocked}}) {
    Labels with_state = labels;
    with_state.push_back({"state", state});
    to.Gauge("drapci_parts",
             "Devices of the card that can be asked for: free, held by claims, or neither, since "
             "they cannot be used or what is held leaves no room.",
             std::move(with_state), static_cast<double>(number));
  }
  for (const auto& [counter, total] : card.description.counters) {
    Labels with_counter = labels;
    with_counter.push_back({"counter", counter});
    const auto used = card.counters_used.find(counter);
    to.Gauge("drapci_stock", "The card's stock of what its parts consume.", with_counter,
             static_cast<double>(total));
    to.Gauge("drapci_stock_used", "How much of the stock is consumed.", std::move(with_counter),
             used == card.counters_used.end() ? 0 : static_cast<double>(used->second));
  }
  AddHealth(card, labels, to);
}

void AddCluster(const ClusterCounts& counts, Families& to) {
  constexpr const char* kWrites = "drapci_slice_writes_total";
  constexpr const char* kWritesHelp = "ResourceSlices that the API server has written for us.";
  to.Counter(kWrites, kWritesHelp, {{"verb", "create"}}, counts.creates);
  to.Counter(kWrites, kWritesHelp, {{"verb", "update"}}, counts.updates);
  to.Counter(kWrites, kWritesHelp, {{"verb", "delete"}}, counts.deletes);
  to.Counter("drapci_slice_write_failures_total",
             "Writes of ResourceSlices without a good answer; they are tried again.", {},
             counts.failures);
  to.Counter("drapci_slice_reads_total", "Lists and single reads for ResourceSlices.", {},
             counts.reads);
  to.Counter("drapci_slice_probes_total", "Dry runs that ask what the API server keeps.", {},
             counts.probes);
  to.Gauge("drapci_slices_published", "1 while the API server has everything as it is.", {},
           counts.published ? 1 : 0);
  to.Counter("drapci_health_changes_held_back_total",
             "Changes of a card's condition that were merged, since it changed too often.", {},
             counts.held_back);
  constexpr const char* kEvents = "drapci_events_total";
  constexpr const char* kEventsHelp =
      "Kubernetes Events: sent, merged with one that was sent, or dropped.";
  to.Counter(kEvents, kEventsHelp, {{"outcome", "sent"}}, counts.events_sent);
  to.Counter(kEvents, kEventsHelp, {{"outcome", "merged"}}, counts.events_merged);
  to.Counter(kEvents, kEventsHelp, {{"outcome", "dropped"}}, counts.events_dropped);
}

void AddMonitor(const MonitorCounts& counts, Families& to) {
  to.Counter("drapci_telemetry_looks_total", "Answers of the sources of telemetry.", {},
             counts.looks);
  to.Counter("drapci_telemetry_failures_total", "Looks that failed.", {}, counts.failures);
  to.Counter("drapci_telemetry_events_total",
             "Events of the kernel that told of a card's condition.", {}, counts.events);
  to.Counter("drapci_health_changes_total", "Changes of cards' condition.", {}, counts.changes);
  to.Counter("drapci_health_changes_merged_total",
             "Findings that came or went within a change that told more.", {}, counts.merged);
  to.Gauge("drapci_telemetry_held_up", "Readings that do not come back from the kernel.", {},
           static_cast<double>(counts.held_up));
}

}  // namespace

std::vector<MetricFamily> CollectFrom(const Sources& sources) {
  Families families;
  if (sources.snapshot) {
    const auto snapshot = sources.snapshot();
    std::set<std::string> claims;
    for (const driver::AcceleratorView& card : snapshot->accelerators) {
      AddCard(card, claims, families);
    }
    families.Gauge("drapci_claims_held", "Claims that hold devices of this node.", {},
                   static_cast<double>(claims.size()));
    families.Gauge("drapci_devices", "Cards that are known.", {},
                   static_cast<double>(snapshot->accelerators.size()));
  }
  if (sources.readings) {
    for (Reading& reading : sources.readings()) {
      families.Gauge("drapci_device_reading",
                     "What the card told last; hal/telemetry/README.md has the signals' units.",
                     {{"device", std::move(reading.card)},
                      {"signal", std::move(reading.signal)},
                      {"sensor", std::move(reading.instance)}},
                     reading.value);
    }
  }
  if (sources.monitor) {
    if (const auto counts = sources.monitor()) AddMonitor(*counts, families);
  }
  if (sources.journal_bytes) {
    if (const auto bytes = sources.journal_bytes()) {
      families.Gauge("drapci_journal_size_bytes", "The journal's size on disk.", {},
                     static_cast<double>(*bytes));
    }
  }
  if (sources.health_streams) {
    families.Gauge("drapci_health_streams", "Streams on which a kubelet hears of the devices.", {},
                   static_cast<double>(sources.health_streams()));
  }
  if (sources.cluster) {
    if (const auto counts = sources.cluster()) AddCluster(*counts, families);
  }
  return families.Take();
}

}  // namespace drapci::plugin::metrics
