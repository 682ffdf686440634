// Images of FPGA slots: whole files, their metadata, and what is noted of a slot.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "hal/accel/dfl_fpga_settings.h"
#include "hal/fpga/gbs.h"
#include "hal/fpga/image_store.h"

namespace {

using namespace drapci::hal;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckFile(std::string_view file) {
  const auto bytes = std::as_bytes(std::span(file));
  const auto header = ParseGbs(bytes.first(std::min(bytes.size(), kMaxGbsHeader)), file.size());
  if (!header) return;
  Require(header->payload_offset + header->payload_size == file.size());
  Require(header->payload_size > 0);
  Require(ParseUuid(DashedUuid(header->afu_uuid)) == header->afu_uuid);
  Require(ParseUuid(header->interface_uuid) == header->interface_uuid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(data, data + size);
  CheckFile(text);
  std::string file("XeonFPGA\xb7GBSv001");
  for (unsigned shift = 0; shift < 32; shift += 8) {
    file.push_back(static_cast<char>(size >> shift & 0xff));
  }
  CheckFile(file + text + "bits");
  if (const auto value = SlotImage::Parse(text)) Require(value->ToString() == text);
  if (const auto slot = ParseSlotName(text)) Require(SlotName(*slot) == text);
  return 0;
}
