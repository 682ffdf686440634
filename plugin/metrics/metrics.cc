#include "plugin/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "plugin/metrics/collect.h"

namespace drapci::plugin::metrics {
namespace {

using prometheus::Histogram;

// Seconds. A prepare from memory takes some hundred microseconds, a bitstream many seconds.
const Histogram::BucketBoundaries& Buckets() {
  static const Histogram::BucketBoundaries kBuckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                    0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                    1,      2.5,     5,      10,    30};
  return kBuckets;
}

// All series of one histogram, made when they are needed: prometheus-cpp looks them up by their
// labels, which costs more than counting does.
class Series {
 public:
  Series(prometheus::Registry& registry, const char* name, const char* help)
      : family_(prometheus::BuildHistogram().Name(name).Help(help).Register(registry)) {}

  void Observe(std::string_view family, std::string_view step, bool well, double seconds) {
    Histogram* histogram = nullptr;
    {
      const std::lock_guard lock(mutex_);
      const Key key(family, step, well);
      const auto found = histograms_.find(key);
      if (found != histograms_.end()) {
        histogram = found->second;
      } else {
        if (histograms_.size() >= Metrics::kMaxHistograms) return;
        std::map<std::string, std::string> labels{{"family", std::string(family)},
                                                  {"result", well ? "ok" : "error"}};
        if (!step.empty()) labels.emplace("step", step);
        histogram = &family_.Add(labels, Buckets());
        histograms_.emplace(key, histogram);
      }
    }
    histogram->Observe(seconds);
  }

 private:
  using Key = std::tuple<std::string, std::string, bool>;
  prometheus::Family<Histogram>& family_;
  std::mutex mutex_;
  std::map<Key, Histogram*> histograms_;
};

}  // namespace

class Metrics::Impl {
 public:
  Impl(const std::string& version, Sources sources)
      : sources_(std::move(sources)),
        prepares_(registry_, "drapci_prepare_duration_seconds",
                  "Preparing a claim, from the call to the answer."),
        unprepares_(registry_, "drapci_unprepare_duration_seconds",
                    "Releasing a claim, from the call to the answer."),
        prepare_steps_(registry_, "drapci_prepare_step_duration_seconds",
                       "One step of the hardware, on the way in."),
        unprepare_steps_(registry_, "drapci_unprepare_step_duration_seconds",
                         "One step of the hardware, on the way out.") {
    prometheus::BuildGauge()
        .Name("drapci_build_info")
        .Help("1; the version is in the label.")
        .Register(registry_)
        .Add({{"version", version}})
        .Set(1);
  }

  void Finished(Work work, std::string_view accelerator, bool well, double seconds) {
    (work == Work::kPrepare ? prepares_ : unprepares_)
        .Observe(FamilyOf(accelerator), {}, well, seconds);
    if (sources_.finished) sources_.finished();
  }
  void StepFinished(Work work, std::string_view accelerator, std::string_view setting, bool well,
                    double seconds) {
    (work == Work::kPrepare ? prepare_steps_ : unprepare_steps_)
        .Observe(FamilyOf(accelerator), setting, well, seconds);
  }

  void Look(const driver::Snapshot& snapshot) {
    const std::lock_guard lock(mutex_);
    for (const driver::AcceleratorView& card : snapshot.accelerators) {
      if (families_.size() < kMaxSeries) families_.insert_or_assign(card.name, card.family);
    }
  }

  std::string Scrape() const {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    std::ranges::move(CollectFrom(sources_), std::back_inserter(families));
    return prometheus::TextSerializer().prometheus::Serializer::Serialize(families);
  }

 private:
  std::string FamilyOf(std::string_view accelerator) const {
    const std::lock_guard lock(mutex_);
    const auto found = families_.find(accelerator);
    return found == families_.end() ? "unknown" : found->second;
  }

  const Sources sources_;
  prometheus::Registry registry_;
  Series prepares_, unprepares_, prepare_steps_, unprepare_steps_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> families_;  // by accelerator
};

Metrics::Metrics(const std::string& version, Sources sources)
    : impl_(std::make_unique<Impl>(version, std::move(sources))) {}
Metrics::~Metrics() = default;

void Metrics::Finished(Work work, std::string_view accelerator, bool well, Duration took) {
  impl_->Finished(work, accelerator, well, std::chrono::duration<double>(took).count());
}

void Metrics::StepFinished(Work work, std::string_view accelerator, std::string_view setting,
                           bool well, Duration took) {
  impl_->StepFinished(work, accelerator, setting, well,
                      std::chrono::duration<double>(took).count());
}

void Metrics::Look(const driver::Snapshot& snapshot) { impl_->Look(snapshot); }
std::string Metrics::Scrape() const { return impl_->Scrape(); }

}  // namespace drapci::plugin::metrics
