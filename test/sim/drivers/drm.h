// Drivers of GPUs and accelerators as far as DRM's core makes them alike: their version by ioctl,
// and who may open a node. habanalabs has one user at a time and resets the card after it.
#pragma once

#include <map>
#include <string>

#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

// include/uapi/drm/drm.h struct drm_version, DRM_IOCTL_VERSION
struct DrmVersionRequest {
  int32_t major = 0, minor = 0, patch = 0;
  uint64_t name_len = 0, name = 0, date_len = 0, date = 0, desc_len = 0, desc = 0;
};
inline constexpr unsigned long kDrmVersion = 0xc0406400;

// A board says, under `model`: `drm` (the name that the driver gives; its own), `version` (1.0.0),
// `one-user` (1: as habanalabs), `product` (what habanalabs says of the card).
class DrmModel : public DriverModel {
 public:
  using DriverModel::DriverModel;
  void Bound() override;
  void Unbound() override;
  bool ServesNodes() const override { return true; }
  int Open(std::string_view node, bool alone) override;
  void Closed(std::string_view node) override;
  int Ioctl(std::string_view node, unsigned long request, uint64_t argument,
            CallerMemory& memory) override;

 private:
  int Version(uint64_t argument, CallerMemory& memory) const;
  int users_ = 0, resets_ = 0;
};

std::unique_ptr<DriverModel> MakeDrmModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
