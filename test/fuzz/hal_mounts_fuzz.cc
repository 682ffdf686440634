// Mount points can be made by any user: the files that list them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "hal/pci/host_use.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& line : drapci::hal::ParseMountinfo(text)) {
    if (line.mount_point.size() + line.source.size() > size) std::abort();
  }
  for (const std::string& swap : drapci::hal::ParseSwaps(text)) {
    if (!swap.starts_with('/')) std::abort();
  }
  return 0;
}
