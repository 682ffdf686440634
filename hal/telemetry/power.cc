// Whether the card is awake (Documentation/ABI/testing/sysfs-bus-pci power_state,
// sysfs-devices-power). The kernel answers by itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 5> kStates = {
    {{"D0", 0}, {"D1", 1}, {"D2", 2}, {"D3hot", 3}, {"D3cold", 4}}};

class PowerReader : public TelemetryReader {
 public:
  explicit PowerReader(FunctionFiles files) : files_(std::move(files)) {}

  Result<std::vector<Reading>> Read() override {
    DRAPCI_TRY(const std::optional<std::string> state, files_.Text("power_state"));
    DRAPCI_TRY(const std::optional<std::string> runtime, files_.Text("power/runtime_status"));
    std::vector<Reading> readings;
    // The kernel does not know the state of some functions without power management.
    if (state && *state != "unknown" && *state != "error") {
      const auto row = std::ranges::find(kStates, *state, &decltype(kStates)::value_type::first);
      if (row == kStates.end()) {
        return FailToParse(files_.PathOf("power_state"), *state, "power state");
      }
      readings.push_back({.signal = "power_state",
                          .value = static_cast<double>(row->second),
                          .text = OneLine(fmt::format("{}, {}", *state, runtime.value_or("")))});
    }
    if (runtime) {
      readings.push_back({.signal = "power_failed",
                          .value = *runtime == "error" ? 1.0 : 0.0,
                          .text = OneLine(*runtime)});
    }
    return readings;
  }

 private:
  const FunctionFiles files_;
};

}  // namespace

std::unique_ptr<TelemetryReader> MakePowerReader(Host& host, const PciFunction& function) {
  return std::make_unique<PowerReader>(FunctionFiles(host.sysfs, function.address));
}

}  // namespace drapci::hal
