#include "hal/pci/address.h"

#include <fmt/format.h>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

// Exactly `digits` hexadecimal digits.
template <class T>
std::optional<T> Hex(std::string_view text, size_t digits) {
  return text.size() == digits ? ParseInt<T>(text, 16) : std::nullopt;
}

}  // namespace

std::optional<PciAddress> PciAddress::Parse(std::string_view text) {
  constexpr size_t kShort = std::string_view("02:00.0").size();
  PciAddress address;
  if (text.size() > kShort) {
    const size_t colon = text.size() - kShort - 1;
    const auto domain = ParseInt<uint32_t>(text.substr(0, colon), 16);
    if (text[colon] != ':' || colon < 4 || colon > 8 || !domain) return std::nullopt;
    address.domain = *domain;
    text.remove_prefix(colon + 1);
  }
  if (text.size() != kShort || text[2] != ':' || text[5] != '.') return std::nullopt;
  const auto bus = Hex<uint8_t>(text.substr(0, 2), 2);
  const auto device = Hex<uint8_t>(text.substr(3, 2), 2);
  const auto function = Hex<uint8_t>(text.substr(6, 1), 1);
  if (!bus || !device || !function || *device > 31 || *function > 7) return std::nullopt;
  address.bus = *bus;
  address.device = *device;
  address.function = *function;
  return address;
}

std::string PciAddress::ToString() const {
  return fmt::format("{:04x}:{:02x}:{:02x}.{}", domain, bus, device, function);
}

std::string PciAddress::SysfsPath() const { return "/sys/bus/pci/devices/" + ToString(); }

}  // namespace drapci::hal
