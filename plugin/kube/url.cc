#include "plugin/kube/url.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>

#include "hal/base/parse.h"

namespace drapci::plugin::kube {
namespace {

bool AllOf(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

bool IsHost(std::string_view host) {
  if (host.starts_with('[')) {
    return host.ends_with(']') && host.size() > 2 &&
           AllOf(host.substr(1, host.size() - 2), "0123456789abcdefABCDEF:.%");
  }
  return !host.empty() && host.size() <= 253 && host.front() != '-' &&
         AllOf(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
}

}  // namespace

Result<> CheckUrl(std::string_view url, std::initializer_list<std::string_view> schemes,
                  UserInfo user_info) {
  const auto wrong = [](std::string_view what) {
    return Fail(Code::kInvalid, fmt::format("{}; write it as SCHEME://HOST:PORT", what));
  };
  if (std::ranges::any_of(url, [](char c) { return c <= ' ' || c >= 0x7f; })) {
    return wrong("has blanks or other characters that a URL has not");
  }
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos ||
      std::ranges::find(schemes, url.substr(0, colon)) == schemes.end()) {
    return wrong(fmt::format("must begin with {}://", fmt::join(schemes, ":// or ")));
  }
  const std::string_view rest = url.substr(colon + 3);
  if (rest.find_first_of("?#") != std::string_view::npos) return wrong("has a query or fragment");
  std::string_view authority = rest.substr(0, rest.find('/'));
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (user_info == UserInfo::kRefused) return wrong("has a user name in it");
    authority.remove_prefix(at + 1);
  }
  const size_t bracket = authority.find(']');
  const size_t port = authority.find(
      ':', authority.starts_with('[') && bracket != std::string_view::npos ? bracket : 0);
  if (!IsHost(authority.substr(0, port))) return wrong("has no valid host");
  if (port != std::string_view::npos &&
      ParseInt<uint16_t>(authority.substr(port + 1)).value_or(0) == 0) {
    return wrong("has no valid port");
  }
  return {};
}

}  // namespace drapci::plugin::kube
