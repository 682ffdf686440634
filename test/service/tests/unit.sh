#!/bin/bash
# What systemd itself says of the unit.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

overall() {
  systemd-analyze security --offline=true $unit | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'
}

# Its exit status is 0 even for keys that it does not know.
holds "the unit has no mistakes" prints_nothing systemd-analyze verify --recursive-errors=no $unit
holds "it is enabled" same "$(systemctl is-enabled $unit)" enabled
systemd-analyze security --offline=true --no-pager $unit | grep -v -e '^✓' -e '^+'
echo "exposure: $(overall) of 10"
# Needs CAP_SYS_ADMIN, the host's /sys and /dev, and root.
holds "its exposure is small" succeeds systemd-analyze security --offline=true --threshold=35 $unit
verdict
