#include "plugin/kube/api.h"

#include <fmt/format.h>

namespace drapci::plugin::kube {

bool ApiFailure::Retryable() const {
  switch (status) {
    case 0:
    case 401:
    case 403:
    case 408:
    case 429: return true;
    default: return status >= 500;
  }
}

std::string EncodeQuery(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").contains(c);
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace drapci::plugin::kube
