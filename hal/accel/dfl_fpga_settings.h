// What is programmed into the slots of DFL cards.
//
//   dfl.image  target: a slot by placement ("0000:3b:00.0/slot0"): port number 0 of the card
//              value: "afu=<uuid> image=<name> sha256=<digest>", "afu=<uuid>" for a design that no
//              image in the store makes, "afu=none" while the port is held in reset
//
// A slot tells its AFU and nothing else of its design, so two values are the same when their AFUs
// are. What has no image cannot be brought back: Apply then says so (kConflict) and changes
// nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/image.h"
#include "hal/accel/setting.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr std::string_view kSlotImageSetting = "dfl.image";

// "slot0"
std::string SlotName(int port);
// The port in "slot0"; one spelling for each.
std::optional<int> ParseSlotName(std::string_view name);

// The value of dfl.image. Pure; fuzzed.
struct SlotImage {
  std::string afu;                    // 32 hexadecimal digits; empty: held in reset
  std::optional<ImageRequest> image;  // with its digest
  std::string ToString() const;
  static std::optional<SlotImage> Parse(std::string_view text);
  bool operator==(const SlotImage&) const = default;
};

void AddDflFpgaSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
