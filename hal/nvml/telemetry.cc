// Who uses a GPU, and what it reads.
#include <algorithm>
#include <climits>
#include <tuple>

#include "hal/nvml/ask.h"
#include "hal/nvml/system_nvml.h"

namespace drapci::hal {
namespace {

using nvml::Device;
using nvml::Functions;
using nvml::ProcessInfo;
using nvml::Return;
using nvml::Session;

constexpr uint32_t kMaxProcesses = 65536;
constexpr int kMaxTries = 5;

using ListProcesses = Return (*Functions::*)(Device, uint32_t*, ProcessInfo*);

GpuProcess ProcessOf(const ProcessInfo& info) {
  const auto id = [](uint32_t value) {
    return value == nvml::kNone ? std::nullopt : std::optional(value);
  };
  GpuProcess process{.pid = info.pid,
                     .gpu_instance = id(info.gpu_instance),
                     .compute_instance = id(info.compute_instance)};
  if (info.used_bytes <= INT64_MAX) process.memory_bytes = static_cast<int64_t>(info.used_bytes);
  return process;
}

auto Key(const GpuProcess& process) {
  return std::tie(process.pid, process.gpu_instance, process.compute_instance);
}

// Adds what `list` says of `device`. False: the library cannot tell.
Result<bool> AddProcesses(Session& session, ListProcesses list, Device device,
                          std::vector<GpuProcess>& found) {
  std::vector<ProcessInfo> infos;
  for (int tries = 0;; ++tries) {
    auto count = static_cast<uint32_t>(infos.size());
    const Return code = session.Call(list, device, &count, infos.empty() ? nullptr : infos.data());
    if (code == nvml::kNotSupported || code == nvml::kFunctionNotFound) return false;
    if (code == nvml::kInsufficientSize && tries < kMaxTries && count <= kMaxProcesses) {
      infos.resize(std::max<size_t>(count, infos.size()) + 8);  // more may start meanwhile
      continue;
    }
    DRAPCI_CHECK(session.Check(code, "processes"));
    infos.resize(std::min<size_t>(count, infos.size()));
    break;
  }
  for (const ProcessInfo& info : infos) found.push_back(ProcessOf(info));
  return true;
}

// The GPU as such does not always list what runs on its MIG devices: these are asked as well.
Result<std::vector<GpuProcess>> AskProcesses(Session& session, Device device) {
  DRAPCI_TRY(std::vector<Device> devices, nvml::MigHandles(session, device));
  devices.push_back(device);
  std::vector<GpuProcess> found;
  bool known = false;
  for (Device one : devices) {
    for (ListProcesses list : {&Functions::DeviceGetComputeRunningProcesses,
                               &Functions::DeviceGetGraphicsRunningProcesses}) {
      auto told = AddProcesses(session, list, one, found);
      // A MIG device that was destroyed since has no processes.
      if (!told && one != device && told.error().code != Code::kGone) continue;
      if (!told) return Fail(std::move(told).error());
      known |= *told;
    }
  }
  if (!known) return Fail(nvml::ErrorOf(nvml::kNotSupported, "processes"));
  std::ranges::sort(found, [](const auto& a, const auto& b) { return Key(a) < Key(b); });
  const auto repeated =
      std::ranges::unique(found, [](const auto& a, const auto& b) { return Key(a) == Key(b); });
  found.erase(repeated.begin(), repeated.end());
  return found;
}

std::optional<int> AskTemperature(Session& session, Device device) {
  nvml::Temperature now{};
  now.version = nvml::VersionWord<nvml::Temperature>(1);
  if (session.Call(&Functions::DeviceGetTemperatureV, device, &now) == nvml::kSuccess) {
    return now.celsius;
  }
  uint32_t old = 0;
  const Return code = session.Call(&Functions::DeviceGetTemperature, device, 0, &old);
  return code == nvml::kSuccess ? std::optional(static_cast<int>(old)) : std::nullopt;
}

std::optional<int64_t> AskEcc(Session& session, Device device, int uncorrected) {
  constexpr int kSinceLoad = 0;  // NVML_VOLATILE_ECC
  uint64_t count = 0;
  const Return code =
      session.Call(&Functions::DeviceGetTotalEccErrors, device, uncorrected, kSinceLoad, &count);
  if (code != nvml::kSuccess || count > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(count);
}

}  // namespace

namespace nvml {

Result<GpuTelemetry> AskTelemetry(Session& session, Device device) {
  // What a sensor lacks is no failure; a GPU that does not even say where it is has failed.
  PciInfo info{};
  DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceGetPciInfo, device, &info), "sensors"));
  GpuTelemetry telemetry{.temperature_celsius = AskTemperature(session, device),
                         .ecc_corrected = AskEcc(session, device, 0),
                         .ecc_uncorrected = AskEcc(session, device, 1)};
  uint32_t power = 0;
  if (session.Call(&Functions::DeviceGetPowerUsage, device, &power) == nvml::kSuccess) {
    telemetry.power_milliwatt = power;
  }
  Utilization busy{};
  if (session.Call(&Functions::DeviceGetUtilizationRates, device, &busy) == nvml::kSuccess) {
    telemetry.gpu_percent = static_cast<int>(busy.gpu);
    telemetry.memory_percent = static_cast<int>(busy.memory);
  }
  return telemetry;
}

}  // namespace nvml

Result<std::vector<GpuProcess>> SystemNvml::Processes(const PciAddress& gpu) {
  return nvml::RunOn(library_, gpu, AskProcesses);
}

Result<GpuTelemetry> SystemNvml::Telemetry(const PciAddress& gpu) {
  return nvml::RunOn(library_, gpu, nvml::AskTelemetry);
}

}  // namespace drapci::hal
