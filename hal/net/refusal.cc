#include "hal/net/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace drapci::hal {
namespace {

// The kernel's own text in an error of Netlink::Talk: what stands between "netlink: " and the
// errno.
std::string_view KernelText(const Error& error) {
  constexpr std::string_view kStart = "netlink: ";
  const std::string plain = Error::FromErrno(error.sys, "netlink").what.substr(kStart.size());
  std::string_view text = error.what;
  if (!text.starts_with(kStart) || !text.ends_with(": " + plain)) return {};
  text.remove_prefix(kStart.size());
  text.remove_suffix(std::min(text.size(), plain.size() + 2));
  return text;
}

}  // namespace

Error RefusalOf(const Error& error, std::string_view what) {
  if (error.sys == 0) return {error.code, 0, fmt::format("{}: {}", what, error.what)};
  Error refusal = Error::FromErrno(error.sys, what);
  if (const std::string_view text = KernelText(error); !text.empty()) {
    refusal.what += fmt::format(": {}", text);
  }
  return refusal;
}

}  // namespace drapci::hal
