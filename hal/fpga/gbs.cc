#include "hal/fpga/gbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

namespace drapci::hal {
namespace {

using nlohmann::json;

constexpr size_t kMagicSize = 16, kPrefixSize = 20;
constexpr std::array<unsigned char, kMagicSize> kMagic = {'X',  'e', 'o', 'n', 'F', 'P', 'G', 'A',
                                                          0xb7, 'G', 'B', 'S', 'v', '0', '0', '1'};
constexpr int64_t kMagicNumber = 488605312;  // "magic-no"
constexpr size_t kUuidDigits = 32;

std::unexpected<Error> Wrong(std::string_view what) {
  return Fail(Code::kInvalid, fmt::format("this is no GBS image: {}", what));
}

// The member `key` of an object; null when there is none.
const json* Member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found != object.end() ? &*found : nullptr;
}

Result<std::string> Uuid(const json& object, const char* key, std::string_view path) {
  const json* member = Member(object, key);
  const std::string* text = member != nullptr ? member->get_ptr<const std::string*>() : nullptr;
  if (text == nullptr) return Wrong(fmt::format("{}{} is no text or missing", path, key));
  auto uuid = ParseUuid(*text);
  if (!uuid) return Wrong(fmt::format("{}{} is no UUID", path, key));
  return *std::move(uuid);
}

Result<GbsHeader> ParseMetadata(std::string_view text) {
  // Nothing here is deeper than the metadata is long, and the parser does not recurse.
  const json metadata = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (metadata.is_discarded()) return Wrong("its metadata is no JSON");
  const json* image = Member(metadata, "afu-image");
  if (image == nullptr || !image->is_object()) return Wrong("afu-image is no object or missing");
  const json* magic = Member(*image, "magic-no");
  if (magic == nullptr || !magic->is_number_integer() || *magic != kMagicNumber) {
    return Wrong(fmt::format("afu-image.magic-no is not {}", kMagicNumber));
  }
  const json* clusters = Member(*image, "accelerator-clusters");
  if (clusters == nullptr || !clusters->is_array() || clusters->size() != 1) {
    return Wrong("afu-image.accelerator-clusters has to be a list of exactly one");
  }
  GbsHeader header;
  DRAPCI_TRY(header.interface_uuid, Uuid(*image, "interface-uuid", "afu-image."));
  DRAPCI_TRY(header.afu_uuid, Uuid(clusters->front(), "accelerator-type-uuid",
                                   "afu-image.accelerator-clusters[0]."));
  return header;
}

}  // namespace

Result<GbsHeader> ParseGbs(std::span<const std::byte> start, uint64_t file_size) {
  if (start.size() < kPrefixSize || start.size() > file_size) return Wrong("it is too short");
  if (std::memcmp(start.data(), kMagic.data(), kMagicSize) != 0) {
    return Wrong("it does not begin with the magic bytes of one");
  }
  uint32_t length = 0;
  for (size_t i = 0; i < 4; ++i) {
    length |= std::to_integer<uint32_t>(start[kMagicSize + i]) << (8 * i);
  }
  if (length > kMaxGbsMetadata) {
    return Wrong(fmt::format("its metadata has {} bytes, {} are allowed", length, kMaxGbsMetadata));
  }
  if (kPrefixSize + length > start.size()) return Wrong("it ends within its metadata");
  const auto text = start.subspan(kPrefixSize, length);
  DRAPCI_TRY(GbsHeader header,
             ParseMetadata({reinterpret_cast<const char*>(text.data()), text.size()}));
  header.payload_offset = kPrefixSize + length;
  header.payload_size = file_size - header.payload_offset;
  if (header.payload_size == 0) return Wrong("it has no bitstream behind its metadata");
  if (header.payload_size > kMaxGbsPayload) {
    return Wrong(fmt::format("its bitstream has {} bytes, {} are allowed", header.payload_size,
                             kMaxGbsPayload));
  }
  return header;
}

std::optional<std::string> ParseUuid(std::string_view text) {
  constexpr size_t kDashes[] = {8, 13, 18, 23};
  const bool dashed = text.size() == kUuidDigits + std::size(kDashes);
  if (!dashed && text.size() != kUuidDigits) return std::nullopt;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (dashed && std::ranges::find(kDashes, i) != std::end(kDashes)) {
      if (c != '-') return std::nullopt;
      continue;
    }
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return std::nullopt;
    digits.push_back(c);
  }
  return digits;
}

std::string DashedUuid(std::string_view digits) {
  if (digits.size() != kUuidDigits) return std::string(digits);
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                     digits.substr(12, 4), digits.substr(16, 4), digits.substr(20));
}

}  // namespace drapci::hal
