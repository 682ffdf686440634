// Error counters that a DRM driver has registered with the kernel (hal/net/drm_ras.h).
#include "hal/net/drm_ras.h"

#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

class DrmRasReader : public TelemetryReader {
 public:
  DrmRasReader(DrmRas family, FunctionFiles files, const PciAddress& address)
      : family_(family), files_(std::move(files)), device_(address.ToString()) {}

  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    if (files_.Sleeps()) return readings;
    DRAPCI_TRY(const std::vector<DrmRasNode> nodes, family_.Nodes());
    for (const DrmRasNode& node : nodes) {
      if (node.device != device_ || node.type != DrmRasNode::kErrorCounters) continue;
      const bool corrected = node.name.starts_with("correctable");
      const auto counters = family_.Counters(node.id);
      // A node goes with its driver.
      if (!counters && counters.error().code == Code::kGone) continue;
      if (!counters) return Fail(counters.error());
      for (const DrmRasCounter& counter : *counters) {
        readings.push_back({.signal = corrected ? "ras_corrected" : "ras_uncorrected",
                            .instance = OneLine(counter.name.substr(0, 40)),
                            .value = static_cast<double>(counter.value)});
      }
    }
    return readings;
  }

 private:
  const DrmRas family_;
  const FunctionFiles files_;
  const std::string device_;
};

}  // namespace

// Only GPUs are asked for: to know whether a driver has registered a node takes two messages.
std::unique_ptr<TelemetryReader> MakeDrmRasReader(Host& host, const PciFunction& function) {
  FunctionFiles files(host.sysfs, function.address);
  if (function.physfn || !files.Has("drm")) return nullptr;
  const auto family = DrmRas::Open(host.netlink);
  if (!family) return nullptr;
  return std::make_unique<DrmRasReader>(*family, std::move(files), function.address);
}

}  // namespace drapci::hal
