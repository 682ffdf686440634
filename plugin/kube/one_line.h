// Texts of others, made fit for an error message.
#pragma once

#include <string>
#include <string_view>

namespace drapci::plugin::kube {

// `text` with every run of blanks and control characters as one blank, cut after `most` bytes.
std::string OneLine(std::string_view text, size_t most = 1024);

}  // namespace drapci::plugin::kube
