#!/bin/bash
# What systemd itself says of the unit.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

readonly helper=drapci-namespaces@.service

overall() {
  systemd-analyze security --offline=true "$1" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'
}
# What is not closed, with what it costs.
exceptions() { systemd-analyze security --offline=true --no-pager "$1" | grep -v -e '^✓' -e '^+'; }

# Its exit status is 0 even for keys that it does not know.
holds "the unit has no mistakes" prints_nothing systemd-analyze verify --recursive-errors=no $unit
holds "nor has that which looks into namespaces" prints_nothing systemd-analyze verify --recursive-errors=no \
  "$(systemctl show --property FragmentPath --value drapci-namespaces.socket)"
holds "it is enabled" same "$(systemctl is-enabled $unit)" enabled
for each in $unit $helper; do
  exceptions $each
  echo "exposure of $each: $(overall $each) of 10"
  holds "the exposure of $each is small" succeeds systemd-analyze security --offline=true --threshold=25 $each
done

# What the running daemon may do, as the kernel has it. A longer list than here is a decision to be made.
pid=$(property MainPID)
capabilities() { awk '$1 == "CapEff:" || $1 == "CapBnd:" { print $2 }' "/proc/$pid/status" | sort -u; }
# Every mount that it sees and may write to. Nodes in /dev are opened by DeviceAllow= alone, and the simulated machine
# has mounts of its own below /sys/devices.
writable() {
  local path
  awk '{ print $5 }' "/proc/$pid/mountinfo" | sort -u | grep -v -e '^/dev' -e '^/sys/devices/virtual' |
    while read -r path; do
      ! nsenter --target "$pid" --mount test -w "$path" || echo "$path"
    done
}
readonly allowed=(/proc /run/cdi /run/drapci /sys/bus /sys/devices /tmp /var/lib/drapci /var/lib/kubelet /var/tmp)
# CAP_NET_ADMIN is bit 12, CAP_SYS_PTRACE bit 19, CAP_SYS_ADMIN bit 21.
holds "the daemon has three capabilities and can have no others" same "$(capabilities)" 0000000000281000
holds "it can write where it has to and nowhere else" same "$(writable)" "$(printf '%s\n' "${allowed[@]}")"
holds "of /proc not what tunes the kernel" fails_with 1 '^$' nsenter --target "$pid" --mount test -w /proc/sys/kernel
verdict
