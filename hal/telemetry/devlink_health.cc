// Health reporters of a driver that has registered with devlink
// (Documentation/networking/devlink/devlink-health.rst). The kernel answers by itself.
#include "hal/net/devlink.h"

#include <algorithm>
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr size_t kMaxReporters = 256;

class DevlinkReader : public TelemetryReader {
 public:
  DevlinkReader(Devlink devlink, FunctionFiles files, const PciAddress& address)
      : devlink_(devlink), files_(std::move(files)), device_(DevlinkDevice::Of(address)) {}

  Result<std::vector<Reading>> Read() override {
    auto reporters = devlink_.HealthReporters(device_);
    if (!reporters) {
      // An instance goes and comes with each reload of its driver.
      if (reporters.error().code != Code::kGone) return Fail(std::move(reporters).error());
      if (files_.IsGone()) return Fail(std::move(reporters).error());
      return std::vector<Reading>();
    }
    if (reporters->size() > kMaxReporters) reporters->resize(kMaxReporters);
    std::vector<Reading> readings;
    for (const DevlinkHealthReporter& reporter : *reporters) {
      std::string name = OneLine(reporter.name.substr(0, 40));
      if (reporter.port) name += " port " + std::to_string(*reporter.port);
      const auto add = [&](const char* signal, double value) {
        readings.push_back({.signal = signal, .instance = name, .value = value});
      };
      add("devlink_reporter", reporter.error ? 1 : 0);
      add("devlink_errors", static_cast<double>(reporter.errors));
      add("devlink_recoveries", static_cast<double>(reporter.recoveries));
    }
    return readings;
  }

 private:
  const Devlink devlink_;
  const FunctionFiles files_;
  const DevlinkDevice device_;
};

}  // namespace

std::unique_ptr<TelemetryReader> MakeDevlinkReader(Host& host, const PciFunction& function) {
  constexpr uint32_t kNetwork = 0x02;  // few other drivers know devlink
  if (function.driver.empty() || function.class_code >> 16 != kNetwork) return nullptr;
  const auto devlink = Devlink::Open(host.netlink);
  if (!devlink) return nullptr;
  const auto devices = devlink->Devices();
  if (!devices ||
      std::ranges::find(*devices, DevlinkDevice::Of(function.address)) == devices->end()) {
    return nullptr;
  }
  return std::make_unique<DevlinkReader>(*devlink, FunctionFiles(host.sysfs, function.address),
                                         function.address);
}

}  // namespace drapci::hal
