// What NVIDIA's library says of a GPU.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "hal/nvml/nvml.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr uint16_t kNvidia = 0x10de;
constexpr size_t kShownXids = 8;

// What programs do to themselves: illegal instructions and addresses, resets that are asked for
// (NVIDIA, "Xid Errors"; those that NVIDIA's own driver for clusters leaves out).
constexpr std::array<uint64_t, 6> kApplicationXids = {13, 31, 43, 45, 68, 109};

// How many there were, and the last of them.
struct XidCounter {
  const char* signal;
  double count = 0;
  std::vector<uint64_t> last = {};

  void Add(uint64_t xid) {
    ++count;
    if (last.size() == kShownXids) last.erase(last.begin());
    last.push_back(xid);
  }
  Reading Tell() const {
    return {.signal = signal, .value = count, .text = fmt::format("{}", fmt::join(last, ", "))};
  }
};

class NvmlReader : public TelemetryReader {
 public:
  NvmlReader(Nvml& nvml, FunctionFiles files, const PciAddress& address)
      : nvml_(nvml), files_(std::move(files)), address_(address) {}

  Result<std::vector<Reading>> Read() override {
    readings_.clear();
    if (files_.Sleeps()) return std::vector<Reading>();
    auto health = nvml_.Health(address_);
    // Nobody uses the library now, so that a GPU can be taken from its driver; or it has no such
    // GPU any more, since that has happened.
    if (!health && (health.error().code == Code::kBusy || health.error().code == Code::kNotFound)) {
      return std::vector<Reading>();
    }
    if (!health) return Fail(std::move(health).error());
    AddXids(*health);
    Add("gpu_lost", "", health->lost);
    AddTelemetry(*health);
    AddMemory(*health);
    if (health->throttle) {
      Add("throttled", "thermal", health->throttle->thermal);
      Add("throttled", "power", health->throttle->power);
      Add("throttled", "hardware", health->throttle->hardware);
    }
    return std::move(readings_);
  }

 private:
  // What is not told is left out.
  template <class T>
  void Add(const char* signal, const char* instance, std::optional<T> value, double scale = 1) {
    if (!value) return;
    readings_.push_back(
        {.signal = signal, .instance = instance, .value = static_cast<double>(*value) / scale});
  }
  void Add(const char* signal, const char* instance, bool value) {
    Add(signal, instance, std::optional(value));
  }

  // The library tells each once: they are counted here.
  void AddXids(const GpuHealth& health) {
    if (health.xids) listens_ = true;
    if (!listens_) return;
    for (const uint64_t xid : health.xids.value_or(std::vector<uint64_t>())) {
      const bool application = std::ranges::find(kApplicationXids, xid) != kApplicationXids.end();
      (application ? application_ : critical_).Add(xid);
    }
    readings_.push_back(critical_.Tell());
    readings_.push_back(application_.Tell());
  }

  void AddTelemetry(const GpuHealth& health) {
    const std::optional<int> celsius = health.telemetry.temperature_celsius;
    Add("temperature", "GPU", celsius);
    if (celsius && health.slowdown_celsius) {
      readings_.push_back({.signal = "temperature_margin",
                           .instance = "GPU",
                           .value = static_cast<double>(*health.slowdown_celsius) - *celsius,
                           .text = fmt::format("{} of {} C", *celsius, *health.slowdown_celsius)});
    }
    Add("power", "GPU", health.telemetry.power_milliwatt, 1000);
  }

  void AddMemory(const GpuHealth& health) {
    Add("ras_corrected", "memory", health.telemetry.ecc_corrected);
    Add("ras_uncorrected", "memory", health.telemetry.ecc_uncorrected);
    Add("row_remap_pending", "", health.remap_pending);
    Add("row_remap_failed", "", health.remap_failed);
    Add("row_remaps", "corrected", health.remapped_corrected);
    Add("row_remaps", "uncorrected", health.remapped_uncorrected);
  }

  Nvml& nvml_;
  const FunctionFiles files_;
  const PciAddress address_;
  bool listens_ = false;
  XidCounter critical_{"xid_critical"}, application_{"xid_application"};
  std::vector<Reading> readings_;  // of the read under way
};

}  // namespace

std::unique_ptr<TelemetryReader> MakeNvmlReader(Host& host, const PciFunction& function) {
  if (host.nvml == nullptr || function.vendor != kNvidia || function.driver != "nvidia") {
    return nullptr;
  }
  return std::make_unique<NvmlReader>(*host.nvml, FunctionFiles(host.sysfs, function.address),
                                      function.address);
}

}  // namespace drapci::hal
