// The metrics that are taken when somebody asks, from what the daemon knows then.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "plugin/metrics/metrics.h"

namespace drapci::plugin::metrics {

// Never throws. A source that has nothing to say leaves its metrics out.
std::vector<prometheus::MetricFamily> CollectFrom(const Sources& sources);

}  // namespace drapci::plugin::metrics
