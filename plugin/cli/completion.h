// Scripts that complete drapci's command line in a shell.
#pragma once

#include <string>
#include <string_view>

namespace drapci::cli {

// For "bash", "zsh" or "fish"; empty for any other. Device names and claims are asked of the
// daemon.
std::string Completion(std::string_view shell);

}  // namespace drapci::cli
