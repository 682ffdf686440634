// What a claim may say about the design of an FPGA slot.
#pragma once

#include <string>

namespace drapci::hal {

struct ImageRequest {
  std::string name;    // in the image store
  std::string digest;  // SHA-256, 64 hexadecimal digits; empty: whatever has that name
  bool operator==(const ImageRequest&) const = default;
};

}  // namespace drapci::hal
