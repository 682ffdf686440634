// What drivers print and the kernel sends of a card's condition: any bytes are taken, and what is
// told of them is one short printable line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "hal/net/drm_ras.h"
#include "hal/net/vf_counters.h"
#include "hal/telemetry/aer.h"
#include "hal/telemetry/events.h"
#include "hal/telemetry/ras.h"
#include "hal/telemetry/signals.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool IsOneLine(std::string_view text) {
  return text.size() < 200 &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// "ACTION SUBSYSTEM DEVPATH VALUE": the value is that of every property.
void TryEvent(std::string_view text) {
  drapci::hal::DeviceEvent event;
  for (std::string* part : {&event.action, &event.subsystem, &event.devpath}) {
    const size_t end = std::min(text.find(' '), text.size());
    *part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (const std::string_view name : drapci::hal::kEventProperties) {
    event.properties.emplace(name, text);
  }
  const auto told = drapci::hal::ReadEvent(event);
  if (!told) return;
  Require(!told->readings.empty());
  for (const auto& reading : told->readings) {
    Require(drapci::hal::FindSignal(reading.signal) != nullptr && IsOneLine(reading.text));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace drapci::hal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto counts = ParseAerCounts(text)) Require(IsOneLine(counts->named));
  static_cast<void>(ParseRasCounts(text));
  static_cast<void>(ParseBadPages(text));
  TryEvent(text);
  for (const auto& [vf, counters] : ParseVfCounters(bytes)) Require(vf >= 0 && vf < 65535);
  if (const auto node = ParseDrmRasNode(bytes)) Require(!node->device.empty());
  if (const auto counter = ParseDrmRasCounter(bytes)) Require(!counter->name.empty());
  return 0;
}
