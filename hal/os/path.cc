#include "hal/os/path.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {

Result<std::string> CheckedPath(std::string_view path) {
  const bool printable =
      std::ranges::none_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!printable) return Fail(Code::kInvalid, "path with a control character refused");
  if (!path.starts_with('/')) {
    return Fail(Code::kInvalid, fmt::format("path '{}' refused: not absolute", path));
  }
  for (std::string_view component : Split(path, '/')) {
    if (component == "..") {
      return Fail(Code::kInvalid, fmt::format("path '{}' refused: it contains '..'", path));
    }
  }
  return std::string(path);
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace drapci::hal
