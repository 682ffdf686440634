// The family "drm": GPUs and accelerators with nodes of DRM (/dev/dri) or accel (/dev/accel), of
// any driver that has no family of its own; each is given as a whole.
//
// A card that shows a picture of the host is not given.
#pragma once

#include <memory>
#include <string>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

bool IsDrmCard(const PciFunction& function);

std::unique_ptr<Accelerator> MakeDrmCardAccelerator(Host& host, PciFunction function,
                                                    AcceleratorPolicy policy,
                                                    std::string in_host_use);

}  // namespace drapci::hal
