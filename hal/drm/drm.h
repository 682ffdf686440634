// The kernel's graphics and compute subsystems DRM (/dev/dri) and accel (/dev/accel), as libdrm
// asks them.
#pragma once

#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

namespace drapci::hal {

struct DrmVersion {
  std::string driver;   // "nouveau"
  std::string version;  // of the driver's interface: "1.4.0"
  bool operator==(const DrmVersion&) const = default;
};

// Any thread. Errors are those of the driver; kUnsupported when the node is none of DRM's.
class Drm {
 public:
  virtual ~Drm() = default;
  // Who serves the opened node (drmGetVersion).
  virtual Result<DrmVersion> Version(const UniqueFd& node) = 0;
};

// libdrm on the nodes of this machine.
class SystemDrm : public Drm {
 public:
  Result<DrmVersion> Version(const UniqueFd& node) override;
};

}  // namespace drapci::hal
