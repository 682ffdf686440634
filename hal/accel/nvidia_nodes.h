// Device nodes of NVIDIA's driver, and who uses a GPU. The driver registers no devices in sysfs for
// its nodes: what belongs to what is told below /proc/driver/nvidia (open-gpu-kernel-modules,
// kernel-open/nvidia/nv-procfs.c and nv-caps.c).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/host.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr std::string_view kNvidiaDriver = "nvidia";

// N of /dev/nvidiaN; nothing where the driver does not have the GPU.
std::optional<unsigned> NvidiaMinor(const Sysfs& sysfs, const PciAddress& gpu);

// The node that lets a process use an instance: "/dev/nvidia-caps/nvidia-cap12", by the minor that
// `capability` ("gpu0/mig/gi3/ci0") tells. kNotFound when there is no such capability.
Result<std::string> NvidiaCapabilityNode(const Sysfs& sysfs, const std::string& capability);

// "train (pid 4242) and 1 more": processes that compute on the GPU, or in one of its GPU instances;
// empty when the library knows of none.
std::string NameNvidiaProcesses(const Host& host, const PciAddress& gpu,
                                std::optional<uint32_t> gpu_instance = std::nullopt);

// kBusy, naming them, when processes compute on the GPU or have one of its nodes open, as daemons
// that watch over it do. This process, which has them open through the library, is not counted.
Result<> CheckNvidiaUnused(const Host& host, const PciAddress& gpu);

// The same before the driver is taken away: the library lets go of the GPU first, and this process
// is counted, since the driver waits without end for the last user.
Result<> CheckNvidiaReleased(const Host& host, const PciAddress& gpu);

}  // namespace drapci::hal
