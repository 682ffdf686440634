#!/bin/bash
# layering.sh [ROOT] - fails when a layer reaches up, past a seam, or speaks of what it must not know.
#
# Dependencies run plugin -> driver -> hal/accel -> hal/telemetry -> hal/drm -> hal/nvml -> hal/fpga -> hal/net -> hal/pci -> hal/os -> hal/base.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
failed=0

# forbid WHAT PATTERN PATHS...: no line of the sources below PATHS may match PATTERN.
forbid() {
    local what=$1 pattern=$2 found
    shift 2
    found=$(grep -rnE --include='*.h' --include='*.cc' -- "$pattern" "$@" || true)
    [ -z "$found" ] || { printf '%s:\n%s\n' "$what" "$found"; failed=1; }
}

layers=(hal/base hal/os hal/pci hal/net hal/nvml hal/drm hal/fpga hal/telemetry hal/accel driver plugin)
for ((low = 0; low < ${#layers[@]}; ++low)); do
    for ((high = low + 1; high < ${#layers[@]}; ++high)); do
        forbid "${layers[low]} includes ${layers[high]}" "^#include \"${layers[high]}/" "${layers[low]}"
    done
done
forbid 'production code includes tests' '^#include "(test|bench)/' hal driver plugin
forbid 'system headers of the hardware outside hal' \
    '^#include <(linux/|libudev|pci/|libmnl|xf86drm|libdrm)' driver plugin
forbid 'libudev outside hal/os' '^#include <libudev' hal/base hal/pci hal/accel
forbid 'libdrm outside hal/drm' '^#include <(xf86drm|libdrm)' hal/base hal/os hal/pci hal/accel
forbid 'libpci outside hal/pci' '^#include <pci/' hal/base hal/os hal/accel
forbid 'sysfs paths outside hal' '"/sys/' driver plugin
# A terminal is asked for its size by ioctl and is no hardware.
forbid 'ioctl outside hal/os' '[^A-Za-z_]ioctl\([^,]*, ([^T]|T[^I])' hal/base hal/pci hal/net hal/nvml hal/drm hal/fpga hal/telemetry hal/accel \
    driver plugin
forbid 'a sleep' '[^A-Za-z_](sleep|usleep|nanosleep|sleep_for|sleep_until)\(' hal driver plugin
forbid 'Kubernetes below plugin' \
    '[Kk]ubelet[^R_r]|ResourceSlice|ResourceClaim|[Kk]ubernetes|kube_api|[^a-z]pod[^a-z]|DeviceClass' \
    hal driver/[!c]* driver/c[!o]*
forbid 'std streams on files (errno is lost)' 'std::(o|i)?fstream' hal driver plugin
exit $failed
