#include <fmt/format.h>
#include <xf86drm.h>

#include <cerrno>
#include <memory>

#include "hal/drm/drm.h"

namespace drapci::hal {

Result<DrmVersion> SystemDrm::Version(const UniqueFd& node) {
  errno = 0;
  const std::unique_ptr<drmVersion, decltype(&drmFreeVersion)> found(drmGetVersion(node.get()),
                                                                     drmFreeVersion);
  if (found == nullptr) return Fail(Error::FromErrno(errno, "ask a node of DRM for its driver"));
  return DrmVersion{.driver = found->name == nullptr ? "" : std::string(found->name),
                    .version = fmt::format("{}.{}.{}", found->version_major, found->version_minor,
                                           found->version_patchlevel)};
}

}  // namespace drapci::hal
