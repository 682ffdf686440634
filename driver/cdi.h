// CDI specifications: one file a claim (https://github.com/cncf-tags/container-device-interface).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "driver/config.h"
#include "hal/accel/container_edits.h"
#include "hal/base/result.h"

namespace drapci::driver {

struct CdiDevice {
  std::string name;  // see CdiDeviceName
  hal::ContainerEdits edits;
};

// How network interfaces get into their containers.
struct CdiInterfaces {
  NetworkDevices how = NetworkDevices::kNone;
  std::string hook;  // the program, for kHook and for limits of memory
};

// "pci-0000-02-00-0-vf3-<uid>" or, of a share, "...-<uid>-<share>".
std::string CdiDeviceName(std::string_view device, std::string_view uid, std::string_view share_id);

// "dra.pci/claim=NAME"
std::string CdiDeviceId(std::string_view driver_name, std::string_view device_name);

// "dra.pci-claim-<uid>.json"
std::string CdiFileName(std::string_view driver_name, std::string_view uid);

// Whether a file of the CDI directory is one that CdiFileName() makes, for any claim.
bool IsOurCdiFile(std::string_view driver_name, std::string_view file_name);

// The specification as JSON text, in the lowest CDI version that can hold it, with no empty or
// unknown field. Every device node carries its path; type and numbers are left to the runtime, as
// podman 4.3 and newer fill them from the host. An environment variable name or path that could
// break the file's meaning (control characters, '=' in a name, "..") is refused (kInvalid).
// Interfaces become calls of the hook before the container starts (createRuntime) or, in CDI 1.1.0,
// netDevices; kUnsupported when a name or address is asked for that this way cannot give. Limits of
// memory become calls of the hook in any case. Pure.
Result<std::string> CdiSpec(std::string_view driver_name, const std::vector<CdiDevice>& devices,
                            const CdiInterfaces& interfaces);

}  // namespace drapci::driver
