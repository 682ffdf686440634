// systemd-udevd on the simulated machine.
#pragma once

#include "hal/base/result.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Starts systemd-udevd in this process's namespaces, waits until it is ready, sends an "add" event
// for every device as a machine does at boot, and waits until udevd has processed all of them.
// Loading kernel modules is masked: the simulated devices' modaliases must not load the host's
// drivers.
Result<> StartUdevd(Kernel& kernel);

}  // namespace drapci::sim
