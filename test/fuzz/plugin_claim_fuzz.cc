// What a namespace's user can write: claims as JSON, claims as YAML, opaque configuration,
// quantities.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plugin/claim_json.h"
#include "plugin/device_config.h"
#include "plugin/quantity.h"
#include "plugin/text.h"
#include "plugin/yaml_json.h"

namespace {

using drapci::Result;

// Every refusal is one line that protobuf and a terminal can take; every accepted claim keeps the
// limits.
void CheckClaim(std::string_view json) {
  const auto claim = drapci::plugin::DecodeClaim(json, "dra.pci", "n");
  if (!claim) {
    const std::string line = drapci::plugin::OneLine(claim.error());
    if (line.empty() || line.find('\n') != std::string::npos || line.size() > 1024) std::abort();
    return;
  }
  if (claim->devices.empty() || claim->devices.size() > drapci::driver::kMaxDevicesPerClaim)
    std::abort();
  if (!claim->uid.empty() && !drapci::driver::IsValidUid(claim->uid)) std::abort();
  for (const auto& device : claim->devices) {
    if (device.device.empty() || device.device.find('/') != std::string::npos) std::abort();
    if (!device.share.empty() && device.share_id.empty()) std::abort();
    for (const auto& [capacity, amount] : device.share) {
      if (capacity.empty() || amount < 0) std::abort();
    }
    if (device.network && device.admin_access) std::abort();
    for (const auto& request : device.request_names) {
      if (request.find('/') != std::string::npos) std::abort();
    }
  }
}

// What has been read is written in a form that reads the same.
void CheckQuantity(std::string_view text) {
  const auto value = drapci::plugin::ParseQuantity(text);
  if (!value) return;
  for (const bool binary : {false, true}) {
    const std::string again = drapci::plugin::FormatQuantity(*value, binary);
    if (drapci::plugin::ParseQuantity(again) != value) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const void* bytes = data + 1;
  const std::string_view text(static_cast<const char*>(bytes), size - 1);
  if (data[0] % 4 == 0) {
    if (const auto json = drapci::plugin::YamlToJson(text)) CheckClaim(*json);
  } else if (data[0] % 4 == 1) {
    if (drapci::plugin::DecodeDeviceConfig(text, "config") && text.empty()) std::abort();
  } else if (data[0] % 4 == 2) {
    CheckQuantity(text);
  } else {
    CheckClaim(text);
  }
  return 0;
}
