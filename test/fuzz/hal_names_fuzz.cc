// Addresses, places and setting values: what is accepted has one spelling, and never leaves its
// directory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "hal/accel/devlink_sf.h"
#include "hal/accel/idxd_settings.h"
#include "hal/accel/pci_settings.h"
#include "hal/accel/qat_settings.h"
#include "hal/pci/device_place.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool IsOneComponent(const std::string& name) {
  return !name.contains('/') && !name.contains('\n') && !name.contains('\0') && name != "." &&
         name != "..";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace drapci::hal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = PciAddress::Parse(text)) {
    Require(address->device < 32 && address->function < 8);
    Require(PciAddress::Parse(address->ToString()) == address);
  }
  if (const auto place = FunctionPlace::Parse(text)) Require(place->ToString() == text);
  if (const auto place = DevicePlace::Parse(text)) Require(place->ToString() == text);
  if (const auto index = ParseSfName(text)) Require(SfName(*index) == text);
  if (const auto state = SfState::Parse(text)) Require(state->ToString() == text);
  if (const auto index = ParseVfName(text)) Require(VfName(*index) == text);
  if (const auto binding = ParseBinding(text)) {
    Require(FormatBinding(*binding) == text);
    Require(IsOneComponent(binding->driver) && IsOneComponent(binding->driver_override));
  }
  if (const auto sriov = ParseSriov(text)) {
    Require(FormatSriov(*sriov) == text);
    Require(sriov->vfs >= 0 && sriov->vfs <= 65535);
  }
  if (const auto layout = ParseIdxdLayout(text)) Require(FormatIdxdLayout(*layout) == text);
  if (const auto queue = ParseIdxdQueue(text)) Require(FormatIdxdQueue(*queue) == text);
  if (const auto part = ParseIdxdPart(text)) Require(IdxdPartName(*part) == text);
  if (const auto qat = ParseQat(text)) Require(FormatQat(*qat) == text);
  return 0;
}
