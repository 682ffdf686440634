#include "test/sim/kernel/config_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace drapci::sim {
namespace {

using Bytes = std::vector<std::byte>;

void Put(Bytes& bytes, size_t offset, uint64_t value, int size) {
  for (int i = 0; i < size; ++i) {
    bytes[offset + static_cast<size_t>(i)] = static_cast<std::byte>(value >> (8 * i));
  }
}

uint32_t GetByte(const Bytes& bytes, size_t offset) {
  return std::to_integer<uint32_t>(bytes[offset]);
}
uint32_t Get16(const Bytes& bytes, size_t offset) {
  return GetByte(bytes, offset) | GetByte(bytes, offset + 1) << 8;
}

constexpr size_t kStatus = 0x06, kHeaderType = 0x0e, kBar0 = 0x10, kCapabilities = 0x34;
constexpr size_t kExtended = 0x100;
constexpr uint16_t kAer = 0x0001, kSerial = 0x0003, kAri = 0x000e, kSriov = 0x0010;

void PutHeader(Bytes& bytes, const FunctionSpec& function, bool bridge, bool virtual_function) {
  Put(bytes, 0x00, virtual_function ? 0xffff : function.vendor, 2);
  Put(bytes, 0x02, virtual_function ? 0xffff : function.device, 2);
  Put(bytes, kStatus, 0x0010, 2);  // capability list
  Put(bytes, 0x08, function.revision, 1);
  Put(bytes, 0x09, function.class_code, 3);
  Put(bytes, kHeaderType, bridge ? 1 : 0, 1);
  Put(bytes, kCapabilities, 0x40, 1);
  if (bridge) {
    Put(bytes, 0x18, function.address.bus, 1);
    Put(bytes, 0x19, function.buses ? function.buses->first : 0, 1);
    Put(bytes, 0x1a, function.buses ? function.buses->second : 0, 1);
    return;
  }
  Put(bytes, 0x2c, function.subsystem_vendor, 2);
  Put(bytes, 0x2e, function.subsystem_device, 2);
  if (virtual_function) return;
  for (size_t i = 0; i < function.bars.size() && i < 6; ++i) {
    const auto& bar = function.bars[i];
    if (bar.size == 0) continue;
    bool io = (bar.flags & 0x100) != 0, wide = (bar.flags & 0x100000) != 0;
    bool prefetch = (bar.flags & 0x2000) != 0;
    Put(bytes, kBar0 + 4 * i, bar.start | (io ? 1U : 0U) | (wide ? 4U : 0U) | (prefetch ? 8U : 0U),
        4);
    if (wide && i < 5) Put(bytes, kBar0 + 4 * (i + 1), bar.start >> 32, 4);
  }
}

void PutPcie(Bytes& bytes, size_t at, const FunctionSpec& function, bool bridge) {
  Put(bytes, at, 0x10, 1);
  unsigned type = bridge ? 4 : 0;
  Put(bytes, at + 2, 2U | type << 4 | (function.slot ? 0x100U : 0U), 2);
  bool flr = function.reset_method.find("flr") != std::string::npos;
  Put(bytes, at + 4, 0x8000U | (flr ? 0x10000000U : 0U), 4);
  Put(bytes, at + 8, 0x2810, 2);
  uint32_t max = LinkSpeedCode(function.max_link_speed) | function.max_link_width << 4;
  Put(bytes, at + 0x0c, max, 4);
  Put(bytes, at + 0x12, LinkSpeedCode(function.link_speed) | function.link_width << 4, 2);
  Put(bytes, at + 0x2c, (2U << LinkSpeedCode(function.max_link_speed)) - 2U, 4);  // LnkCap2
  Put(bytes, at + 0x30, LinkSpeedCode(function.max_link_speed), 2);               // LnkCtl2
}

// Appends extended capabilities one after another; the first one has to be at 0x100.
class ExtendedList {
 public:
  explicit ExtendedList(Bytes& bytes) : bytes_(bytes) {}
  size_t Add(uint16_t id, uint16_t version, size_t size) {
    size_t at = next_;
    if (last_ != 0) Put(bytes_, last_ + 2, Get16(bytes_, last_ + 2) | at << 4, 2);
    Put(bytes_, at, id, 2);
    Put(bytes_, at + 2, version, 2);
    last_ = at;
    next_ = (at + size + 15) / 16 * 16;
    return at;
  }

 private:
  Bytes& bytes_;
  size_t next_ = kExtended, last_ = 0;
};

void PutSriov(Bytes& bytes, size_t at, const SriovSpec& sriov) {
  Put(bytes, at + 0x0c, sriov.total, 2);
  Put(bytes, at + 0x0e, sriov.total, 2);
  Put(bytes, at + 0x14, sriov.offset, 2);
  Put(bytes, at + 0x16, sriov.stride, 2);
  Put(bytes, at + 0x1a, sriov.vf_device, 2);
  Put(bytes, at + 0x1c, 0x553, 4);  // supported page sizes
  Put(bytes, at + 0x20, 0x1, 4);
}

size_t FindExtended(const Bytes& bytes, uint16_t id) {
  if (bytes.size() <= kExtended) return 0;
  size_t at = kExtended;
  for (int i = 0; i < 64 && at >= kExtended && at + 4 <= bytes.size(); ++i) {
    if (Get16(bytes, at) == id) return at;
    at = Get16(bytes, at + 2) >> 4;
  }
  return 0;
}

}  // namespace

uint8_t LinkSpeedCode(const std::string& text) {
  constexpr std::array<std::string_view, 6> kSpeeds = {"2.5 ",  "5.0 ",  "8.0 ",
                                                       "16.0 ", "32.0 ", "64.0 "};
  auto found =
      std::ranges::find_if(kSpeeds, [&](std::string_view s) { return text.starts_with(s); });
  return found == kSpeeds.end() ? 0 : static_cast<uint8_t>(found - kSpeeds.begin() + 1);
}

std::vector<std::byte> MakeConfig(const FunctionSpec& function, bool virtual_function) {
  Bytes bytes(function.pcie ? 4096 : 256, std::byte{0});
  bool bridge = function.class_code >> 8 == 0x0604;
  PutHeader(bytes, function, bridge, virtual_function);
  // Power management, then MSI-X, then PCI Express.
  Put(bytes, 0x40, 0x01, 1);
  Put(bytes, 0x41, 0x50, 1);
  Put(bytes, 0x42, 0x0003, 2);
  Put(bytes, 0x44, 0x0008, 2);  // no soft reset
  Put(bytes, 0x50, 0x11, 1);
  Put(bytes, 0x51, function.pcie ? 0x70 : 0, 1);
  Put(bytes, 0x52, 9, 2);  // ten vectors
  Put(bytes, 0x54, 3, 4);  // table in BAR 3
  Put(bytes, 0x58, 0x2003, 4);
  if (!function.pcie) return bytes;
  PutPcie(bytes, 0x70, function, bridge);
  ExtendedList extended(bytes);
  if (function.aer) extended.Add(kAer, 2, 0x48);
  if (function.serial) Put(bytes, extended.Add(kSerial, 1, 0x0c) + 4, *function.serial, 8);
  if (function.sriov || virtual_function) extended.Add(kAri, 1, 0x08);
  if (function.sriov) PutSriov(bytes, extended.Add(kSriov, 1, 0x40), *function.sriov);
  return bytes;
}

void UpdateConfig(std::vector<std::byte>& config, bool enabled, unsigned vfs) {
  uint32_t command = Get16(config, 0x04);
  Put(config, 0x04, enabled ? command | 0x0406U : command & ~0x0406U, 2);
  size_t sriov = FindExtended(config, kSriov);
  if (sriov == 0) return;
  uint32_t control = Get16(config, sriov + 0x08);
  Put(config, sriov + 0x08, vfs != 0 ? control | 0x9U : control & ~0x9U, 2);
  Put(config, sriov + 0x10, vfs, 2);
}

std::string Modalias(const FunctionSpec& function) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02x}", function.vendor,
                     function.device, function.subsystem_vendor, function.subsystem_device,
                     function.class_code >> 16, (function.class_code >> 8) & 0xff,
                     function.class_code & 0xff);
}

}  // namespace drapci::sim
