// The machine, as the rest of drapci sees it: the seams, handed down by reference.
#pragma once

#include "hal/os/clock.h"
#include "hal/os/dev_io.h"
#include "hal/os/device_events.h"
#include "hal/os/netlink.h"
#include "hal/os/network_namespaces.h"
#include "hal/os/sysfs.h"

namespace drapci::hal {

class Drm;
class ImageStore;
class Nvml;

struct Host {
  Sysfs& sysfs;
  DevIo& dev;
  Netlink& netlink;
  NetworkNamespaces& namespaces;
  DeviceEvents& events;
  Clock& clock;
  Nvml* nvml = nullptr;          // NVIDIA's management library; null: there is none here
  ImageStore* images = nullptr;  // bitstreams for FPGA slots; null: none
  Drm* drm = nullptr;            // who serves a node of DRM; null: nobody is asked
};

}  // namespace drapci::hal
