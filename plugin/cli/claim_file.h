// Claim and configuration files, as people write them.
#pragma once

#include <string>
#include <string_view>

#include "plugin/cli/failure.h"
#include "plugin/cli/files.h"

namespace drapci::cli {

// The file at `path` ("-": standard input) as JSON text; it may be JSON or YAML. Refused with one
// line that names the file: what cannot be read, is longer than kMaxFileSize, or is neither.
Outcome<std::string> ReadObjectFile(const std::string& path);

// The same for text in memory; `name` stands for it in errors.
Outcome<std::string> ObjectToJson(std::string_view text, std::string_view name);

}  // namespace drapci::cli
