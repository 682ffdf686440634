#include "bench/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace drapci::bench {

double Percentile(Samples samples, double percent) {
  if (samples.empty()) return 0;
  const double rank = std::ceil(percent / 100 * static_cast<double>(samples.size()));
  auto at = samples.begin() + std::max<long>(static_cast<long>(rank) - 1, 0);
  std::ranges::nth_element(samples, at);
  return *at;
}

void PrintHeadings() {
  fmt::print("{:<44} {:>7} {:>6} {:>9} {:>9} {:>7}\n", "", "callers", "held", "p50 us", "p99 us",
             "n");
}

void PrintRow(const std::string& what, int callers, int held, const Samples& samples) {
  fmt::print("{:<44} {:>7} {:>6} {:>9.0f} {:>9.0f} {:>7}\n", what, callers, held,
             Percentile(samples, 50), Percentile(samples, 99), samples.size());
  std::fflush(stdout);
}

}  // namespace drapci::bench
