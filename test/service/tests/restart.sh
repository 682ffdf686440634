#!/bin/bash
# Claims outlive the daemon, however it ends; systemd brings it back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

all_as_before() {
  holds "$1 the VF's claim is held" claim_is alpha prepared
  holds "$1 the other claim, too" claim_is beta prepared
  holds "$1 the VFs are the same" vfs_are 8
  holds "$1 the first has its driver" driver_is "$(vf_address 0)" igbvf
  holds "$1 the second vfio-pci" driver_is "$(vf_address 1)" vfio-pci
  holds "$1 their CDI files are there" cdi_files_are 2
  holds "$1 journal, hardware and CDI agree" succeeds drapci verify
}

holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf0"
holds "and one through vfio" \
  succeeds drapci prepare --name beta --device "$nic-vf1" --config /tmp/vfio.yaml

pid=$(property MainPID)
systemctl kill --kill-whom main --signal KILL $unit
holds_soon "killed, it is started again" property_is NRestarts 1
holds_soon "and ready" property_is ActiveState active
holds "as another process" fails_with 1 . same "$(property MainPID)" "$pid"
holds "it knows the claims" prints 'is ready: 1 accelerators, 2 claims held' \
  journalctl --output cat _PID="$(property MainPID)"
all_as_before "after SIGKILL"

inject writes --reset
holds "it can be restarted" succeeds systemctl restart $unit
holds "which writes nothing to the hardware" prints '^0 writes' "$sim" inject writes
all_as_before "after a restart"

holds "it can be stopped" succeeds systemctl stop $unit
holds "in order" property_is Result success
holds "which gives nothing back" vfs_are 8
holds "the CDI files stay for containers that start meanwhile" cdi_files_are 2
holds "without a daemon the command line says so" fails_with 3 . drapci claims
holds "it can be started" succeeds systemctl start $unit
all_as_before "after stop and start"

holds "release one" succeeds drapci unprepare alpha
holds "and the other" succeeds drapci unprepare beta
holds "no VFs" vfs_are 0

restarts=$(property NRestarts)
inject kill-after 1
holds "killed at its first change of hardware, it has no answer" \
  fails_with 3 . drapci prepare --name gamma --device "$nic-vf0"
holds_soon "is started again" property_is NRestarts $((restarts + 1))
holds_soon "and ready" property_is ActiveState active
holds "it has undone what was half done" vfs_are 0
holds "nothing is held" claim_is gamma ''
holds "all agree" succeeds drapci verify
holds "the same claim now succeeds" succeeds drapci prepare --name gamma --device "$nic-vf0"
verdict
