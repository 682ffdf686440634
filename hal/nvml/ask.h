// Small questions that several files of this folder put to the library.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "hal/nvml/library.h"
#include "hal/nvml/nvml.h"

namespace drapci::hal::nvml {

// A text about a GPU or MIG device.
inline Result<std::string> AskText(Session& session,
                                   Return (*Functions::*function)(Device, char*, uint32_t),
                                   Device device, std::string_view context) {
  char text[kTextSize] = {};
  DRAPCI_CHECK(session.Check(
      session.Call(function, device, static_cast<char*>(text), static_cast<uint32_t>(sizeof(text))),
      context));
  return std::string(text, ::strnlen(text, sizeof(text)));
}

// A number about a GPU or MIG device.
inline Result<uint32_t> AskNumber(Session& session,
                                  Return (*Functions::*function)(Device, uint32_t*), Device device,
                                  std::string_view context) {
  uint32_t number = 0;
  DRAPCI_CHECK(session.Check(session.Call(function, device, &number), context));
  return number;
}

// The MIG mode; kUnsupported on a GPU without MIG.
inline Result<MigMode> AskMigMode(Session& session, Device device) {
  uint32_t current = 0, pending = 0;
  DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceGetMigMode, device, &current, &pending),
                             "MIG mode"));
  return MigMode{.current = current != 0, .pending = pending != 0};
}

// Whether the GPU is cut up; a GPU without MIG is not.
inline Result<bool> IsMigOn(Session& session, Device device) {
  auto mode = AskMigMode(session, device);
  if (!mode && mode.error().code == Code::kUnsupported) return false;
  if (!mode) return Fail(std::move(mode).error());
  return mode->current;
}

// What the sensors read.
Result<GpuTelemetry> AskTelemetry(Session& session, Device device);

// The MIG devices of a GPU by index, which has holes; none while the MIG mode is off.
Result<std::vector<Device>> MigHandles(Session& session, Device device);

// `result`, its error within the name of the GPU.
template <class T>
Result<T> About(const PciAddress& gpu, Result<T> result) {
  if (result) return result;
  return Fail(std::move(result).error().Within(gpu.ToString()));
}

// Runs `work`(session, device) on the GPU at `gpu`.
template <class Work>
auto RunOn(Library& library, const PciAddress& gpu, Work work) {
  using Answer = std::invoke_result_t<Work, Session&, Device>;
  return library.Run([&](Session& session) -> Answer {
    DRAPCI_TRY(Device device, session.Find(gpu));
    return About(gpu, work(session, device));
  });
}

}  // namespace drapci::hal::nvml
