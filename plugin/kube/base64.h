// Base64 (RFC 4648) as Kubernetes reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drapci::plugin::kube {

// Standard alphabet with padding; line breaks are skipped. Empty when anything else is in `text` or
// its last bits are not zero. Pure.
std::optional<std::string> DecodeBase64(std::string_view text);

// URL alphabet without padding, as JSON Web Tokens have it.
std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace drapci::plugin::kube
