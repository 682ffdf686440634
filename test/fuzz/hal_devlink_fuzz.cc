// The kernel's messages about devlink and the RDMA subsystem, and texts of what is set at a port.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "hal/accel/devlink_settings.h"
#include "hal/net/devlink_message.h"
#include "hal/net/rdma.h"

namespace {

using namespace drapci::hal;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckMessage(std::span<const std::byte> message) {
  if (const auto device = ParseDevlinkDevice(message)) {
    Require(!device->bus.empty() && !device->name.empty());
  }
  if (const auto family = ParseFamily(message)) Require(*family >= 0x10);
  if (const auto mode = ParseEswitch(message)) Require(ParseEswitchMode(NameOf(*mode)) == *mode);
  if (const auto port = ParseDevlinkPort(message)) {
    Require(port->interface >= 0);
    if (port->flavour) Require(!NameOf(*port->flavour).empty());
    // What is told of a function can be written down and read again.
    const PortState state{.mac = port->hw_addr, .tx_share = {}, .tx_max = {}, .up = {}};
    Require(PortState::Parse(state.ToString()) == state);
  }
  if (const auto rate = ParseDevlinkRate(message))
    Require(rate->port.has_value() == rate->node.empty());
  if (const auto reporter = ParseHealthReporter(message)) Require(!reporter->name.empty());
  for (const auto& [name, version] : ParseDevlinkInfo(message).running) Require(!name.empty());
  static_cast<void>(ParseRdmaSystem(message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  CheckMessage(bytes);
  const std::string text(data, data + size);
  if (const auto state = PortState::Parse(text)) {
    Require(state->ToString() == text);
    Require(state->HoldsIn(*state) && state->IsTraceIn(*state, {}));
    Require(PortState::Parse(state->Defaults().ToString()) == state->Defaults());
  }
  return 0;
}
