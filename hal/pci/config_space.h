// PCI configuration space as bytes in, values out (PCI Express Base Specification chapter 7,
// include/uapi/linux/pci_regs.h). Pure; fuzzed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace drapci::hal {

struct SriovCapability {
  uint16_t initial_vfs = 0, total_vfs = 0, num_vfs = 0;
  uint16_t first_vf_offset = 0, vf_stride = 0, vf_device = 0;
  bool operator==(const SriovCapability&) const = default;
};

struct PcieCapability {
  uint8_t version = 0, port_type = 0;  // port_type: 0 endpoint, 4 root port, 9 RC integrated, ...
  uint8_t max_speed = 0,
          max_width = 0;  // LnkCap; speed 1 = 2.5 GT/s, 2 = 5, 3 = 8, 4 = 16, 5 = 32, 6 = 64
  uint8_t current_speed = 0, current_width = 0;  // LnkSta
  bool function_level_reset = false;
  bool operator==(const PcieCapability&) const = default;
};

class ConfigSpace {
 public:
  // 64, 256 or 4096 bytes; what is not there reads as absent. All ones (a device that fell off the
  // bus) has no capabilities.
  explicit ConfigSpace(std::span<const std::byte> bytes);

  bool present() const;                                    // vendor is neither 0xffff nor missing
  std::optional<uint16_t> Find(uint8_t capability) const;  // offset in the standard list
  std::optional<uint16_t> FindExtended(uint16_t capability) const;  // offset at 0x100 and up
  std::optional<SriovCapability> Sriov() const;
  std::optional<PcieCapability> Pcie() const;
  bool HasAer() const;
  std::optional<uint64_t> SerialNumber() const;  // Device Serial Number, extended capability 3

 private:
  std::optional<uint32_t> Word(size_t offset, int size) const;
  std::vector<std::byte> bytes_;
};

}  // namespace drapci::hal
