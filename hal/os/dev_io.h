// Device nodes: what they are, and ioctl on them.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

namespace drapci::hal {

struct NodeInfo {
  char type = 'c';  // 'c' or 'b'
  unsigned major = 0, minor = 0;
  mode_t permissions = 0;
  gid_t group = 0;
};

// Any thread.
class DevIo {
 public:
  virtual ~DevIo() = default;

  // What the node at `path` is; kGone when there is none, kInvalid when it is no device.
  virtual Result<NodeInfo> Stat(std::string_view path) const = 0;

  // open(2); O_CLOEXEC is added.
  virtual Result<UniqueFd> Open(std::string_view path, int flags) = 0;

  // ioctl(2): the (non-negative) return value.
  virtual Result<int> Ioctl(int fd, unsigned long request, void* argument) = 0;
};

// For the simulator only: this environment variable names a directory whose files stand for nodes
// that no driver of the kernel serves: "shared/dev/dfl-port.0" for Open, "alone/dev/dfl-port.0" for
// Open with O_EXCL.
inline constexpr const char* kDeviceRelayVariable = "DRAPCI_DEVICE_RELAY";

class KernelDevIo : public DevIo {
 public:
  KernelDevIo();  // with the relay of the environment, if any
  // An empty path: none.
  explicit KernelDevIo(std::string relay) : relay_(std::move(relay)) {}
  Result<NodeInfo> Stat(std::string_view path) const override;
  Result<UniqueFd> Open(std::string_view path, int flags) override;
  Result<int> Ioctl(int fd, unsigned long request, void* argument) override;

 private:
  std::string relay_;
};

}  // namespace drapci::hal
