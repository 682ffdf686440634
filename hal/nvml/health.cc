// What speaks for or against a GPU: sensors, rows of memory, and the events that tell of failures.
#include "hal/nvml/ask.h"
#include "hal/nvml/system_nvml.h"

namespace drapci::hal {
namespace {

using nvml::Device;
using nvml::Functions;
using nvml::Return;
using nvml::Session;

constexpr size_t kMaxXids = 64;

bool MeansLost(Return code) { return code == nvml::kGpuIsLost || code == nvml::kResetRequired; }

std::optional<int> AskSlowdown(Session& session, Device device) {
  uint32_t celsius = 0;
  const Return code = session.Call(&Functions::DeviceGetTemperatureThreshold, device,
                                   nvml::kSlowdownThreshold, &celsius);
  return code == nvml::kSuccess ? std::optional(static_cast<int>(celsius)) : std::nullopt;
}

std::optional<GpuThrottle> AskThrottle(Session& session, Device device) {
  uint64_t reasons = 0;
  const Return code =
      session.Call(&Functions::DeviceGetCurrentClocksEventReasons, device, &reasons);
  if (code != nvml::kSuccess) return std::nullopt;
  constexpr uint64_t kThermal = nvml::kThrottleSoftThermal | nvml::kThrottleHardThermal;
  return GpuThrottle{.thermal = (reasons & kThermal) != 0,
                     .power = (reasons & nvml::kThrottlePowerBrake) != 0,
                     .hardware = (reasons & nvml::kThrottleHardware) != 0};
}

void AskRemaps(Session& session, Device device, GpuHealth& health) {
  uint32_t corrected = 0, uncorrected = 0, pending = 0, failed = 0;
  const Return code = session.Call(&Functions::DeviceGetRemappedRows, device, &corrected,
                                   &uncorrected, &pending, &failed);
  if (code != nvml::kSuccess) return;
  health.remapped_corrected = corrected;
  health.remapped_uncorrected = uncorrected;
  health.remap_pending = pending != 0;
  health.remap_failed = failed != 0;
}

Result<GpuHealth> AskHealth(Session& session, Device device) {
  DRAPCI_TRY(GpuTelemetry telemetry, nvml::AskTelemetry(session, device));
  GpuHealth health{.telemetry = telemetry,
                   .slowdown_celsius = AskSlowdown(session, device),
                   .throttle = AskThrottle(session, device)};
  AskRemaps(session, device, health);
  return health;
}

}  // namespace

// Without a handle of the GPU: one that has fallen off the bus has none any more, and that is what
// its last event tells.
std::optional<std::vector<uint64_t>> SystemNvml::TakeXids(Session& session, const PciAddress& gpu) {
  const std::lock_guard lock(listening_mutex_);
  const auto found = listening_.find(gpu);
  if (found == listening_.end() || found->second.opening != session.opening() ||
      found->second.set == nullptr) {
    return std::nullopt;
  }
  std::vector<uint64_t> xids;
  while (xids.size() < kMaxXids) {
    nvml::EventData event{};
    const Return code = session.Call(&Functions::EventSetWait, found->second.set, &event, 0U);
    if (code == nvml::kTimeout) return xids;
    if (code != nvml::kSuccess) {  // to be listened to anew
      session.Call(&Functions::EventSetFree, found->second.set);
      listening_.erase(found);
      return xids;
    }
    if ((event.type & nvml::kXidEvent) != 0) xids.push_back(event.data);
  }
  return xids;
}

void SystemNvml::Listen(Session& session, const PciAddress& gpu, Device device) {
  const std::lock_guard lock(listening_mutex_);
  Listening& listening = listening_[gpu];
  if (listening.opening == session.opening()) return;
  listening = {.opening = session.opening()};
  nvml::EventSet set = nullptr;
  if (session.Call(&Functions::EventSetCreate, &set) != nvml::kSuccess) return;
  if (session.Call(&Functions::DeviceRegisterEvents, device, nvml::kXidEvent, set) ==
      nvml::kSuccess) {
    listening.set = set;
  } else {
    session.Call(&Functions::EventSetFree, set);
  }
}

Result<GpuHealth> SystemNvml::Health(const PciAddress& gpu) {
  return library_.RunIfOpen([&](Session& session) -> Result<GpuHealth> {
    std::optional<std::vector<uint64_t>> xids = TakeXids(session, gpu);
    const auto lost = [&] { return GpuHealth{.lost = true, .xids = std::move(xids)}; };
    Device device = nullptr;
    const std::string bus_id = gpu.ToString();
    Return code = session.Call(&Functions::DeviceGetHandleByPciBusId, bus_id.c_str(), &device);
    nvml::PciInfo info{};
    if (code == nvml::kSuccess) code = session.Call(&Functions::DeviceGetPciInfo, device, &info);
    if (MeansLost(code)) return lost();
    DRAPCI_CHECK(session.Check(code, "GPU " + bus_id));
    auto health = nvml::About(gpu, AskHealth(session, device));
    if (!health && health.error().code == Code::kGone) return lost();
    if (!health) return health;
    Listen(session, gpu, device);
    if (!xids) xids = TakeXids(session, gpu);
    health->xids = std::move(xids);
    return health;
  });
}

}  // namespace drapci::hal
