// Paths that are handed to the kernel.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::hal {

// `path` as a C string, when it is absolute and has no ".." component and no control character;
// kInvalid otherwise. Names of devices and drivers end up in paths: this is the last gate.
Result<std::string> CheckedPath(std::string_view path);

// The part of `path` after its last '/'.
std::string_view BaseName(std::string_view path);

}  // namespace drapci::hal
