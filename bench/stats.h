// Samples and their percentiles.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace drapci::bench {

using Samples = std::vector<double>;  // microseconds

// The time that `work` takes, added to `samples`.
template <class Work>
void Measure(Samples& samples, Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  samples.push_back(
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
}

// The nearest rank, 0 < `percent` <= 100; 0 without samples.
double Percentile(Samples samples, double percent);

// "  empty gRPC call        1       0      178      412"
void PrintHeadings();
void PrintRow(const std::string& what, int callers, int held, const Samples& samples);

}  // namespace drapci::bench
