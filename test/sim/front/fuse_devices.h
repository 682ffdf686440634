// Device nodes of the model's drivers as files of the simulated /sys (DRAPCI_DEVICE_RELAY,
// hal/os/dev_io.h): FUSE serves ioctl on them, which no real node of the machine could.
//
// "/.devices/shared/dev/dfl-fme.0" stands for "/dev/dfl-fme.0", and "alone" instead of "shared" for
// an open with O_EXCL, which FUSE does not pass on.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

inline constexpr const char* kDeviceRelay = "/sys/.devices";

struct RelayedNode {
  std::string node;  // "/dev/dfl-fme.0"
  bool alone = false;
};

// What a path in the FUSE file system ("/.devices/shared/dev/dfl-fme.0") stands for; nothing when
// it is none of these.
std::optional<RelayedNode> ParseRelayed(std::string_view path);
// Whether it is one of these, or a directory on the way.
bool IsBelowRelay(std::string_view path);

// 0 or -errno.
int StatRelayed(const Kernel& kernel, std::string_view path, struct stat& status);

// The memory of the process that `pid`, a thread's id, belongs to. Its ioctl waits meanwhile.
class ProcessMemory : public CallerMemory {
 public:
  explicit ProcessMemory(int pid) : pid_(pid) {}
  bool Read(uint64_t address, std::span<std::byte> into) override;
  bool Write(uint64_t address, std::span<const std::byte> from) override;

 private:
  const int pid_;
};

}  // namespace drapci::sim
