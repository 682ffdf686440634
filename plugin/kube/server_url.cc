#include "plugin/kube/server_url.h"

#include <fmt/format.h>

#include "hal/base/parse.h"

namespace drapci::plugin::kube {

Result<ServerUrl> ServerUrl::Parse(std::string_view url) {
  const auto wrong = [](std::string_view what) {
    return Fail(Code::kInvalid,
                fmt::format("the server's URL {}; it reads https://HOST:PORT", what));
  };
  ServerUrl parts;
  const size_t separator = url.find("://");
  if (separator == std::string_view::npos) return wrong("has no scheme");
  parts.scheme = url.substr(0, separator);
  if (parts.scheme != "https" && parts.scheme != "http") return wrong("is not https or http");
  url.remove_prefix(separator + 3);
  for (const char c : url) {
    if (c <= ' ' || c == 0x7f || c == '@' || c == '?' || c == '#') {
      return wrong("has a blank, '@', '?' or '#' in it");
    }
  }
  const size_t slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  if (slash != std::string_view::npos) parts.base_path = url.substr(slash);
  while (parts.base_path.ends_with('/')) parts.base_path.pop_back();

  // The brackets of an IPv6 address hold colons of their own.
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return wrong("has a '[' without ']'");
  if (const size_t colon = authority.find(':', bracket); colon != std::string_view::npos) {
    parts.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
    const auto port = ParseInt<uint16_t>(parts.port);
    if (!port || *port == 0) return wrong("has a port that is no number from 1 to 65535");
  }
  if (authority.empty()) return wrong("names no host");
  parts.host = authority;
  return parts;
}

std::string ServerUrl::Authority() const { return port.empty() ? host : host + ":" + port; }

std::string ServerUrl::PortOrDefault() const {
  if (!port.empty()) return port;
  return scheme == "https" ? "443" : "80";
}

bool ServerUrl::IsLoopback() const {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

}  // namespace drapci::plugin::kube
