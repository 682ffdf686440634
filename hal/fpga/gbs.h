// GBS files ("green bitstreams"): what programs one slot of a DFL card.
//
// 16 bytes of magic, the length of the metadata (little endian), the metadata as JSON, the raw
// bitstream (OPAE, tools/packager).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::hal {

struct GbsHeader {
  // 32 hexadecimal digits in lower case, as sysfs prints them.
  std::string interface_uuid;  // of the static design that it fits
  std::string afu_uuid;        // of the accelerator that it makes
  uint64_t payload_offset = 0, payload_size = 0;
  bool operator==(const GbsHeader&) const = default;
};

inline constexpr size_t kMaxGbsMetadata = 8191;                // OPAE, plugins/xfpga/bitstream.c
inline constexpr size_t kMaxGbsHeader = 20 + kMaxGbsMetadata;  // how much of a file decides
inline constexpr uint64_t kMaxGbsPayload = uint64_t{512} << 20;

// The header of a file of `file_size` bytes that begins with `start`: all of it, or kMaxGbsHeader
// bytes. kInvalid says what is wrong. Pure; fuzzed.
Result<GbsHeader> ParseGbs(std::span<const std::byte> start, uint64_t file_size);

// "d8424dc4-a4a3-c413-f89e-433683f9040b", or its digits alone, in either case: the 32 digits in
// lower case.
std::optional<std::string> ParseUuid(std::string_view text);
// And back, with dashes.
std::string DashedUuid(std::string_view digits);

}  // namespace drapci::hal
