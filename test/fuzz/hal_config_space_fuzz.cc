// Configuration space: whatever a broken or hostile card shows, every answer lies within it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "hal/pci/config_space.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using drapci::hal::ConfigSpace;
  const ConfigSpace space(std::as_bytes(std::span(data, size)));
  for (int id = 0; id < 0x40; ++id) {
    const auto at = space.Find(static_cast<uint8_t>(id));
    if (at) Require(*at >= 0x40 && *at + 2u <= size);
    const auto extended = space.FindExtended(static_cast<uint16_t>(id));
    if (extended) Require(*extended >= 0x100 && *extended + 4u <= size);
  }
  const auto pcie = space.Pcie();
  if (pcie) Require(pcie->port_type <= 15 && pcie->max_speed <= 15 && pcie->max_width <= 63);
  static_cast<void>(space.Sriov());
  static_cast<void>(space.SerialNumber());
  Require(space.present() || (!pcie && !space.Sriov() && !space.HasAer()));
  return 0;
}
