// The configuration: never a crash, and never a configuration that breaks its own rules.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "driver/config.h"
#include "driver/text.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using drapci::driver::IsPlainPath;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = drapci::driver::ParseConfig(text);
  if (config) {
    Require(!config->driver_name.empty() && config->driver_name.size() <= 63);
    for (const std::string& path : {config->state_dir, config->cdi_dir, config->kubelet_root}) {
      Require(IsPlainPath(path));
    }
    Require(IsPlainPath(config->control_socket, 107));
    Require(config->claim_dir.empty() || IsPlainPath(config->claim_dir));
    Require(config->step_timeout_seconds >= 1 && config->step_timeout_seconds <= 600);
    return 0;
  }
  Require(!config.error().empty());
  for (const drapci::driver::ConfigError& error : config.error()) {
    Require(error.line >= 0 && !error.text.empty());
    Require(!drapci::driver::HasControl(error.text) && drapci::driver::IsUtf8(error.text));
  }
  return 0;
}
