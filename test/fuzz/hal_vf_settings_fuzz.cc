// Texts of VF settings, interfaces and addresses, and the kernel's messages about interfaces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "hal/accel/net_settings.h"
#include "hal/net/link.h"
#include "hal/net/link_message.h"

namespace {

using namespace drapci::hal;

void Require(bool holds) {
  if (!holds) std::abort();
}

// What is read from a text means that text and no other.
void CheckTexts(std::string_view text) {
  if (const auto settings = VfSettings::Parse(text)) {
    Require(settings->ToString() == text);
    Require(settings->HoldsIn(*settings));
    Require(settings->IsTraceIn(*settings, {}));
    Require(VfSettings::Parse(settings->Defaults().ToString()) == settings->Defaults());
  }
  if (const auto state = InterfaceState::Parse(text)) Require(state->ToString() == text);
  if (const std::string address = CanonicalAddress(text); !address.empty()) {
    Require(CanonicalAddress(address) == address);
    Require(AddAddressRequest(1, address).has_value());
  }
  if (IsInterfaceName(text))
    Require(InterfaceState::Parse("name=" + std::string(text)).has_value());
}

// What the kernel tells can be written down and read again.
void CheckMessage(const NetlinkMessage& message, int vf) {
  if (const auto link = ParseLink(message)) Require(link->index > 0 && !link->name.empty());
  if (const auto answer = ParseVf(message, vf)) {
    Require(answer->lists_vfs || answer->settings.empty());
    Require(VfSettings::Parse(answer->settings.ToString()) == answer->settings);
  }
  if (const auto address = ParseAddress(message, 7)) Require(!address->empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::string text(data, data + size);
  CheckTexts(text);
  CheckMessage({bytes.begin(), bytes.end()}, size == 0 ? 0 : data[size - 1] % 4);
  return 0;
}
