// Kubernetes quantities (apimachinery/pkg/api/resource/quantity.go): "200M", "10Gi", "500m", "1e9".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drapci::plugin {

// The value, rounded up to a whole number, as the API server rounds. Empty when it is none,
// negative beyond -2^63 or too large for int64. Pure; fuzzed.
std::optional<int64_t> ParseQuantity(std::string_view text);

// The canonical text of a whole number: "200M", "1Gi" (`binary`), "12345".
std::string FormatQuantity(int64_t value, bool binary = false);

}  // namespace drapci::plugin
