// What a changed configuration means for a daemon that runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drapci::plugin {

// The keys of the file's top level that are not what they were, in the order of the alphabet. Both
// texts have been taken by driver::ParseConfig. Pure.
std::vector<std::string> ChangedKeys(std::string_view before, std::string_view after);

}  // namespace drapci::plugin
