// Spellings that the API server checks. Each function says what is wrong, or nothing.
#pragma once

#include <string>
#include <string_view>

namespace drapci::apiserver {

std::string WrongLabel(std::string_view name);  // DNS label, at most 63
std::string WrongSubdomain(std::string_view name, size_t most = 253);
std::string WrongPoolName(std::string_view name);       // subdomains joined by '/'
std::string WrongDriverName(std::string_view name);     // any case, at most 63
std::string WrongQualifiedName(std::string_view name);  // [DOMAIN/]C_IDENTIFIER
std::string WrongLabelKey(std::string_view name);       // [SUBDOMAIN/]NAME
std::string WrongLabelValue(std::string_view value);
std::string WrongVersion(std::string_view version);        // semver 2.0.0
std::string WrongUuid(std::string_view text);              // lower case
std::string WrongReason(std::string_view text);            // of a condition
std::string WrongInterfaceAddress(std::string_view text);  // canonical "addr/prefix"

}  // namespace drapci::apiserver
