#include "hal/pci/config_space.h"

#include <linux/pci_regs.h>

#include <algorithm>

namespace drapci::hal {
namespace {

constexpr size_t kStandardEnd = 0x100;
constexpr size_t kExtendedEnd = 0x1000;
// More capabilities than fit; a list that is longer is a loop.
constexpr int kMaxStandard = (kStandardEnd - 0x40) / 4;
constexpr int kMaxExtended = (kExtendedEnd - kStandardEnd) / 4;

}  // namespace

ConfigSpace::ConfigSpace(std::span<const std::byte> bytes) {
  bytes = bytes.first(std::min(bytes.size(), kExtendedEnd));
  bytes_.assign(bytes.begin(), bytes.end());
}

std::optional<uint32_t> ConfigSpace::Word(size_t offset, int size) const {
  const size_t count = static_cast<size_t>(size);
  if (offset > bytes_.size() || bytes_.size() - offset < count) return std::nullopt;
  uint32_t value = 0;  // little endian, whatever the machine is
  for (size_t i = 0; i < count; ++i) {
    value |= std::to_integer<uint32_t>(bytes_[offset + i]) << (8 * i);
  }
  return value;
}

bool ConfigSpace::present() const { return Word(PCI_VENDOR_ID, 2).value_or(0xffff) != 0xffff; }

std::optional<uint16_t> ConfigSpace::Find(uint8_t capability) const {
  if (!present() || (Word(PCI_STATUS, 2).value_or(0) & PCI_STATUS_CAP_LIST) == 0)
    return std::nullopt;
  const uint32_t layout = Word(PCI_HEADER_TYPE, 1).value_or(0) & 0x7f;
  uint32_t at =
      Word(layout == PCI_HEADER_TYPE_CARDBUS ? PCI_CB_CAPABILITY_LIST : PCI_CAPABILITY_LIST, 1)
          .value_or(0);
  for (int hop = 0; hop < kMaxStandard; ++hop) {
    at &= ~3u;
    const auto header = Word(at, 2);
    if (at < 0x40 || !header || (*header & 0xff) == 0xff) return std::nullopt;
    if ((*header & 0xff) == capability) return static_cast<uint16_t>(at);
    at = *header >> 8;
  }
  return std::nullopt;
}

std::optional<uint16_t> ConfigSpace::FindExtended(uint16_t capability) const {
  if (!present()) return std::nullopt;
  uint32_t at = kStandardEnd;
  for (int hop = 0; hop < kMaxExtended; ++hop) {
    const auto header = Word(at, 4);
    if (at < kStandardEnd || !header || *header == 0 || *header == 0xffffffff) return std::nullopt;
    if (PCI_EXT_CAP_ID(*header) == capability) return static_cast<uint16_t>(at);
    at = PCI_EXT_CAP_NEXT(*header);
  }
  return std::nullopt;
}

std::optional<SriovCapability> ConfigSpace::Sriov() const {
  const auto at = FindExtended(PCI_EXT_CAP_ID_SRIOV);
  if (!at || !Word(*at + PCI_SRIOV_VF_DID, 2)) return std::nullopt;
  const auto field = [&](int offset) {
    return static_cast<uint16_t>(Word(*at + static_cast<size_t>(offset), 2).value_or(0));
  };
  return SriovCapability{.initial_vfs = field(PCI_SRIOV_INITIAL_VF),
                         .total_vfs = field(PCI_SRIOV_TOTAL_VF),
                         .num_vfs = field(PCI_SRIOV_NUM_VF),
                         .first_vf_offset = field(PCI_SRIOV_VF_OFFSET),
                         .vf_stride = field(PCI_SRIOV_VF_STRIDE),
                         .vf_device = field(PCI_SRIOV_VF_DID)};
}

std::optional<PcieCapability> ConfigSpace::Pcie() const {
  const auto at = Find(PCI_CAP_ID_EXP);
  if (!at) return std::nullopt;
  const auto flags = Word(*at + PCI_EXP_FLAGS, 2);
  if (!flags) return std::nullopt;
  const uint32_t device = Word(*at + PCI_EXP_DEVCAP, 4).value_or(0);
  const uint32_t link = Word(*at + PCI_EXP_LNKCAP, 4).value_or(0);
  const uint32_t status = Word(*at + PCI_EXP_LNKSTA, 2).value_or(0);
  return PcieCapability{.version = static_cast<uint8_t>(*flags & PCI_EXP_FLAGS_VERS),
                        .port_type = static_cast<uint8_t>((*flags & PCI_EXP_FLAGS_TYPE) >> 4),
                        .max_speed = static_cast<uint8_t>(link & PCI_EXP_LNKCAP_SLS),
                        .max_width = static_cast<uint8_t>((link & PCI_EXP_LNKCAP_MLW) >> 4),
                        .current_speed = static_cast<uint8_t>(status & PCI_EXP_LNKSTA_CLS),
                        .current_width = static_cast<uint8_t>((status & PCI_EXP_LNKSTA_NLW) >> 4),
                        .function_level_reset = (device & PCI_EXP_DEVCAP_FLR) != 0};
}

bool ConfigSpace::HasAer() const { return FindExtended(PCI_EXT_CAP_ID_ERR).has_value(); }

std::optional<uint64_t> ConfigSpace::SerialNumber() const {
  const auto at = FindExtended(PCI_EXT_CAP_ID_DSN);
  if (!at) return std::nullopt;
  const auto low = Word(*at + 4u, 4), high = Word(*at + 8u, 4);
  if (!low || !high) return std::nullopt;
  return uint64_t{*high} << 32 | *low;
}

}  // namespace drapci::hal
