#include "hal/nvml/system_nvml.h"

#include <algorithm>
#include <cstring>

#include "hal/nvml/ask.h"

namespace drapci::hal {
namespace {

using nvml::AskMigMode;
using nvml::AskNumber;
using nvml::AskText;
using nvml::Device;
using nvml::Functions;
using nvml::Return;
using nvml::RunOn;
using nvml::Session;

constexpr uint32_t kMaxGpus = 1024;

Result<int64_t> AskMemory(Session& session, Device device) {
  nvml::MemoryV2 memory{};
  memory.version = nvml::VersionWord<nvml::MemoryV2>(2);
  if (session.Call(&Functions::DeviceGetMemoryInfoV2, device, &memory) == nvml::kSuccess) {
    return static_cast<int64_t>(memory.total);
  }
  nvml::Memory old{};
  DRAPCI_CHECK(
      session.Check(session.Call(&Functions::DeviceGetMemoryInfo, device, &old), "memory"));
  return static_cast<int64_t>(old.total);
}

Result<GpuInfo> AskInfo(Session& session, Device device, const PciAddress& gpu) {
  GpuInfo info{.address = gpu};
  DRAPCI_TRY(info.name, AskText(session, &Functions::DeviceGetName, device, "name"));
  DRAPCI_TRY(info.uuid, AskText(session, &Functions::DeviceGetUuid, device, "UUID"));
  DRAPCI_TRY(info.minor,
             AskNumber(session, &Functions::DeviceGetMinorNumber, device, "minor number"));
  DRAPCI_TRY(info.memory_bytes, AskMemory(session, device));
  auto serial = AskText(session, &Functions::DeviceGetSerial, device, "serial number");
  if (serial) info.serial = *std::move(serial);
  if (!serial && serial.error().code != Code::kUnsupported) {
    return Fail(std::move(serial).error());
  }
  return info;
}

// The address of a handle. PciInfo says "00000000:81:00.0".
Result<PciAddress> AskAddress(Session& session, Device device, uint32_t index) {
  nvml::PciInfo info{};
  DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceGetPciInfo, device, &info),
                             fmt::format("address of GPU {}", index)));
  const std::string_view text(info.bus_id, ::strnlen(info.bus_id, sizeof(info.bus_id)));
  const auto address = PciAddress::Parse(text);
  if (!address) {
    return Fail(Code::kIo, fmt::format("GPU {}: NVML says '{}' for its PCI address", index, text));
  }
  return *address;
}

MigSwitch SwitchOf(Return activation) {
  switch (activation) {
    case nvml::kSuccess: return MigSwitch::kDone;
    case nvml::kInUse: return MigSwitch::kPendingInUse;
    case nvml::kResetRequired: return MigSwitch::kPendingReset;
    default: return MigSwitch::kPendingFailed;
  }
}

}  // namespace

Result<std::string> SystemNvml::DriverVersion() {
  return library_.Run([](Session& session) -> Result<std::string> {
    char text[nvml::kTextSize] = {};
    DRAPCI_CHECK(
        session.Check(session.Call(&Functions::SystemGetDriverVersion, static_cast<char*>(text),
                                   static_cast<uint32_t>(sizeof(text))),
                      "version of the driver"));
    return std::string(text, ::strnlen(text, sizeof(text)));
  });
}

Result<std::vector<PciAddress>> SystemNvml::Gpus() {
  return library_.Run([](Session& session) -> Result<std::vector<PciAddress>> {
    uint32_t count = 0;
    DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceGetCount, &count), "number of GPUs"));
    std::vector<PciAddress> gpus;
    for (uint32_t index = 0; index < std::min(count, kMaxGpus); ++index) {
      Device device = nullptr;
      const Return code = session.Call(&Functions::DeviceGetHandleByIndex, index, &device);
      if (code == nvml::kGpuIsLost) continue;
      DRAPCI_CHECK(session.Check(code, fmt::format("GPU {}", index)));
      DRAPCI_TRY(const PciAddress address, AskAddress(session, device, index));
      gpus.push_back(address);
    }
    std::ranges::sort(gpus);
    return gpus;
  });
}

Result<GpuInfo> SystemNvml::Gpu(const PciAddress& gpu) {
  return RunOn(library_, gpu,
               [&](Session& session, Device device) { return AskInfo(session, device, gpu); });
}

Result<MigMode> SystemNvml::GetMigMode(const PciAddress& gpu) {
  return RunOn(library_, gpu, AskMigMode);
}

Result<MigSwitch> SystemNvml::SetMigMode(const PciAddress& gpu, bool enabled) {
  return RunOn(library_, gpu, [&](Session& session, Device device) -> Result<MigSwitch> {
    Return activation = nvml::kSuccess;
    DRAPCI_CHECK(session.Check(
        session.Call(&Functions::DeviceSetMigMode, device, uint32_t{enabled}, &activation),
        enabled ? "switching MIG on" : "switching MIG off"));
    return SwitchOf(activation);
  });
}

}  // namespace drapci::hal
