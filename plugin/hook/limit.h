// Holding a container to its share of a GPU's memory, by the kernel's control group controller of
// device memory (kernel/cgroup/dmem.c, Linux 6.14).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hal/base/result.h"
#include "hal/os/sysfs.h"

namespace drapci::plugin {

struct MemoryLimit {
  std::string region;  // as the controller calls it: "drm/0000:03:00.0/vram0"
  int64_t bytes = 0;

  static std::optional<MemoryLimit> Parse(std::string_view text);  // "REGION=BYTES"
};

// Where the hierarchy of control groups of version 2 is mounted, mostly /sys/fs/cgroup.
// kUnsupported where there is none.
Result<std::string> UnifiedHierarchy(const hal::Sysfs& files);

// Writes the limits to the control group of the process `pid`, and reads them back: it and what it
// starts get no more than that of each region. Controllers that the groups above do not pass on are
// enabled there. A limit that the group has already for a region is another share of the container,
// and added to. `root` is UnifiedHierarchy(). The error says what the kernel refused.
Result<> LimitMemory(hal::Sysfs& files, std::string_view root, int pid,
                     std::span<const MemoryLimit> limits);

}  // namespace drapci::plugin
