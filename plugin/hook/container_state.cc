#include "plugin/hook/container_state.h"

#include <exception>
#include <nlohmann/json.hpp>

namespace drapci::plugin {

Result<int> ContainerProcess(std::string_view state) {
  try {
    const auto document = nlohmann::json::parse(state, nullptr, false);
    if (document.is_object()) {
      const auto pid = document.find("pid");
      if (pid != document.end() && pid->is_number_integer()) {
        const auto number = pid->get<int64_t>();
        if (number > 0 && number <= INT32_MAX) return static_cast<int>(number);
      }
    }
  } catch (const std::exception&) {
    // As below.
  }
  return Fail(
      Code::kInvalid,
      "standard input is no state of a container with a process: the hook has to be called by a "
      "container runtime, at createRuntime");
}

}  // namespace drapci::plugin
