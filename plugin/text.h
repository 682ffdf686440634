// Small texts that cross the daemon's borders.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin {

// At most `limit` bytes of `text`, every byte that is no printable ASCII character replaced by '?':
// what comes from claims or from hardware must not break a line, a terminal, or a protobuf string.
std::string Printable(std::string_view text, size_t limit);

// The error as one line for a reply: what Error::what says, Printable, at most 1024 bytes.
std::string OneLine(const Error& error);

// Sixteen hexadecimal digits that stand for `text`: FNV-1a, the same on every node and in every
// version. Tells names apart; protects against nobody.
std::string StableHash(std::string_view text);

// The whole of a regular file; kNotFound without one, kInvalid beyond `limit` bytes.
Result<std::string> ReadFile(const std::string& path, size_t limit);

}  // namespace drapci::plugin
