// Small questions about text that comes from outside. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace drapci::driver {

// Well-formed UTF-8: no overlong forms, surrogates or values past U+10FFFF.
bool IsUtf8(std::string_view text);

// Whether a byte is below 0x20 or is 0x7f: what must not reach a file name, a log or a terminal.
bool HasControl(std::string_view text);

// Absolute, without "." and ".." components and control characters, at most `limit` bytes, UTF-8.
bool IsPlainPath(std::string_view path, size_t limit = 4095);

// For error messages: the text in single quotes, cut to a readable length, on one line.
std::string Quoted(std::string_view text);

}  // namespace drapci::driver
