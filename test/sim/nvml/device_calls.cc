// The exported functions about the library and whole GPUs.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "hal/pci/address.h"
#include "test/sim/nvml/calls.h"

namespace drapci::sim::nvml {
namespace {

namespace abi = hal::nvml;

Return Copy(const std::string& text, char* out, uint32_t size) {
  if (!out) return abi::kInvalidArgument;
  if (size < text.size() + 1) return abi::kInsufficientSize;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return abi::kSuccess;
}

uint64_t Bytes(int64_t mib) { return static_cast<uint64_t>(mib) << 20; }

Return FindDevice(const char* name, const std::string& address, Device* device) {
  if (!device) return abi::kInvalidArgument;
  return OnAddress({name}, address, [&](State&, Gpu& gpu) {
    *device = static_cast<Device>(HandleOf({.gpu = gpu.address}));
    return Return{abi::kSuccess};
  });
}

using List = const std::function<bool(const Process&)>&;

// The two-step count: too small an array is told how much it would take.
Return CopyProcesses(const Gpu& gpu, List wanted, uint32_t* count, abi::ProcessInfo* out) {
  std::vector<abi::ProcessInfo> infos;
  for (const Process& process : gpu.processes) {
    if (!wanted(process)) continue;
    const auto id = [](int64_t value) { return static_cast<uint32_t>(value); };  // -1: all ones
    infos.push_back({.pid = static_cast<uint32_t>(process.pid),
                     .used_bytes = process.memory_mib < 0 ? UINT64_MAX : Bytes(process.memory_mib),
                     .gpu_instance = id(process.gpu_instance),
                     .compute_instance = id(process.compute_instance)});
  }
  const uint32_t room = *count;
  *count = static_cast<uint32_t>(infos.size());
  if (infos.size() > room) return abi::kInsufficientSize;
  if (!infos.empty() && !out) return abi::kInvalidArgument;
  std::ranges::copy(infos, out);
  return abi::kSuccess;
}

Return Processes(const char* name, bool graphics, Device device, uint32_t* count,
                 abi::ProcessInfo* out) {
  if (!count) return abi::kInvalidArgument;
  if (IsMigDevice(device)) {
    return OnMigDevice(
        {name}, device, [&](State&, Gpu& gpu, GpuInstance& instance, ComputeInstance& compute) {
          return CopyProcesses(
              gpu,
              [&](const Process& process) {
                return process.graphics == graphics && process.gpu_instance == instance.id &&
                       process.compute_instance == compute.id;
              },
              count, out);
        });
  }
  return OnDevice({name}, device, [&](State&, Gpu& gpu) {
    return CopyProcesses(
        gpu, [&](const Process& process) { return process.graphics == graphics; }, count, out);
  });
}

template <class T>
Return Tell(const char* name, Device device, T* out, const std::function<T(const Gpu&)>& what) {
  if (!out) return abi::kInvalidArgument;
  return OnDevice({name}, device, [&](State&, Gpu& gpu) {
    *out = what(gpu);
    return Return{abi::kSuccess};
  });
}

}  // namespace

DRAPCI_SIM_NVML_EXPORT Return nvmlInitWithFlags(uint32_t) {
  return Initialize("nvmlInitWithFlags");
}
DRAPCI_SIM_NVML_EXPORT Return nvmlInit_v2() { return Initialize("nvmlInit_v2"); }
DRAPCI_SIM_NVML_EXPORT Return nvmlShutdown() { return Shutdown(); }

DRAPCI_SIM_NVML_EXPORT Return nvmlSystemGetDriverVersion(char* text, uint32_t size) {
  return OnLibrary({"nvmlSystemGetDriverVersion"},
                   [&](State& state) { return Copy(state.driver_version, text, size); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetCount_v2(uint32_t* count) {
  if (!count) return abi::kInvalidArgument;
  return OnLibrary({"nvmlDeviceGetCount_v2"}, [&](State&) {
    *count = static_cast<uint32_t>(KnownGpus().size());
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetHandleByIndex_v2(uint32_t index, Device* device) {
  const auto known = KnownGpus();
  if (index >= known.size()) return abi::kInvalidArgument;
  return FindDevice("nvmlDeviceGetHandleByIndex_v2", known[index], device);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetHandleByPciBusId_v2(const char* id, Device* device) {
  const auto address = hal::PciAddress::Parse(id ? id : "");
  if (!address) return abi::kInvalidArgument;
  return FindDevice("nvmlDeviceGetHandleByPciBusId_v2", address->ToString(), device);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetPciInfo_v3(Device device, abi::PciInfo* info) {
  return Tell<abi::PciInfo>("nvmlDeviceGetPciInfo_v3", device, info, [](const Gpu& gpu) {
    const auto address = hal::PciAddress::Parse(gpu.address).value_or(hal::PciAddress{});
    abi::PciInfo told{};
    told.domain = address.domain;
    told.bus = address.bus;
    told.device = address.device;
    const std::string text =
        fmt::format("{:08X}:{:02X}:{:02X}.0", address.domain, address.bus, address.device);
    text.copy(told.bus_id, sizeof(told.bus_id) - 1);
    text.substr(4).copy(told.bus_id_legacy, sizeof(told.bus_id_legacy) - 1);
    return told;
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetName(Device device, char* text, uint32_t size) {
  return OnDevice({"nvmlDeviceGetName"}, device,
                  [&](State&, Gpu& gpu) { return Copy(gpu.name, text, size); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetUUID(Device device, char* text, uint32_t size) {
  if (IsMigDevice(device)) {
    return OnMigDevice({"nvmlDeviceGetUUID"}, device,
                       [&](State&, Gpu&, GpuInstance&, ComputeInstance& compute) {
                         return Copy(compute.uuid, text, size);
                       });
  }
  return OnDevice({"nvmlDeviceGetUUID"}, device,
                  [&](State&, Gpu& gpu) { return Copy(gpu.uuid, text, size); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetSerial(Device device, char* text, uint32_t size) {
  return OnDevice({"nvmlDeviceGetSerial"}, device, [&](State&, Gpu& gpu) {
    return gpu.serial.empty() ? Return{abi::kNotSupported} : Copy(gpu.serial, text, size);
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMinorNumber(Device device, uint32_t* minor) {
  return Tell<uint32_t>("nvmlDeviceGetMinorNumber", device, minor,
                        [](const Gpu& gpu) { return gpu.minor; });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMemoryInfo(Device device, abi::Memory* memory) {
  return Tell<abi::Memory>("nvmlDeviceGetMemoryInfo", device, memory, [](const Gpu& gpu) {
    const uint64_t total = Bytes(gpu.memory_mib);
    return abi::Memory{.total = total, .free = total, .used = 0};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetMemoryInfo_v2(Device device, abi::MemoryV2* memory) {
  if (!memory) return abi::kInvalidArgument;
  if (memory->version != abi::VersionWord<abi::MemoryV2>(2)) return abi::kArgumentVersionMismatch;
  return Tell<abi::MemoryV2>("nvmlDeviceGetMemoryInfo_v2", device, memory, [](const Gpu& gpu) {
    const uint64_t total = Bytes(gpu.memory_mib);
    return abi::MemoryV2{.version = abi::VersionWord<abi::MemoryV2>(2),
                         .total = total,
                         .reserved = 0,
                         .free = total,
                         .used = 0};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetComputeRunningProcesses_v3(Device device,
                                                                      uint32_t* count,
                                                                      abi::ProcessInfo* out) {
  return Processes("nvmlDeviceGetComputeRunningProcesses_v3", false, device, count, out);
}
DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetComputeRunningProcesses_v2(Device device,
                                                                      uint32_t* count,
                                                                      abi::ProcessInfo* out) {
  return Processes("nvmlDeviceGetComputeRunningProcesses_v2", false, device, count, out);
}
DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device,
                                                                       uint32_t* count,
                                                                       abi::ProcessInfo* out) {
  return Processes("nvmlDeviceGetGraphicsRunningProcesses_v3", true, device, count, out);
}
DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetGraphicsRunningProcesses_v2(Device device,
                                                                       uint32_t* count,
                                                                       abi::ProcessInfo* out) {
  return Processes("nvmlDeviceGetGraphicsRunningProcesses_v2", true, device, count, out);
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetTemperatureV(Device device, abi::Temperature* now) {
  constexpr uint32_t kVersion = abi::VersionWord<abi::Temperature>(1);
  if (!now) return abi::kInvalidArgument;
  if (now->version != kVersion) return abi::kArgumentVersionMismatch;
  return Tell<abi::Temperature>("nvmlDeviceGetTemperatureV", device, now, [](const Gpu& gpu) {
    return abi::Temperature{
        .version = kVersion, .sensor = 0, .celsius = static_cast<int32_t>(gpu.temperature)};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetTemperature(Device device, int, uint32_t* celsius) {
  return Tell<uint32_t>("nvmlDeviceGetTemperature", device, celsius,
                        [](const Gpu& gpu) { return static_cast<uint32_t>(gpu.temperature); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetPowerUsage(Device device, uint32_t* milliwatt) {
  return Tell<uint32_t>("nvmlDeviceGetPowerUsage", device, milliwatt,
                        [](const Gpu& gpu) { return static_cast<uint32_t>(gpu.power_milliwatt); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetUtilizationRates(Device device, abi::Utilization* busy) {
  if (!busy) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetUtilizationRates"}, device, [&](State&, Gpu& gpu) {
    if (gpu.mig) return Return{abi::kNotSupported};
    *busy = {.gpu = static_cast<uint32_t>(gpu.gpu_percent),
             .memory = static_cast<uint32_t>(gpu.memory_percent)};
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetTotalEccErrors(Device device, int uncorrected,
                                                          int /*counter*/, uint64_t* errors) {
  return Tell<uint64_t>("nvmlDeviceGetTotalEccErrors", device, errors, [&](const Gpu& gpu) {
    return static_cast<uint64_t>(uncorrected ? gpu.ecc_uncorrected : gpu.ecc_corrected);
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetTemperatureThreshold(Device device, int type,
                                                                uint32_t* celsius) {
  if (type != abi::kSlowdownThreshold) return abi::kNotSupported;
  return Tell<uint32_t>("nvmlDeviceGetTemperatureThreshold", device, celsius,
                        [](const Gpu& gpu) { return static_cast<uint32_t>(gpu.slowdown_celsius); });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetCurrentClocksEventReasons(Device device,
                                                                     uint64_t* reasons) {
  return Tell<uint64_t>("nvmlDeviceGetCurrentClocksEventReasons", device, reasons,
                        [](const Gpu& gpu) { return gpu.throttle_reasons; });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceGetRemappedRows(Device device, uint32_t* corrected,
                                                        uint32_t* uncorrected, uint32_t* pending,
                                                        uint32_t* failed) {
  if (!corrected || !uncorrected || !pending || !failed) return abi::kInvalidArgument;
  return OnDevice({"nvmlDeviceGetRemappedRows"}, device, [&](State&, Gpu& gpu) {
    *corrected = static_cast<uint32_t>(gpu.remapped_corrected);
    *uncorrected = static_cast<uint32_t>(gpu.remapped_uncorrected);
    *pending = gpu.remap_pending ? 1 : 0;
    *failed = gpu.remap_failed ? 1 : 0;
    return Return{abi::kSuccess};
  });
}

}  // namespace drapci::sim::nvml
