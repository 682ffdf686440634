#!/bin/bash
# A daemon that no longer answers is replaced.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

holds "the unit has a watchdog" fails_with 1 . property_is WatchdogUSec 0
drop_in WatchdogSec=2 LimitCORE=0
systemctl restart $unit
holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf0"
pid=$(property MainPID)
systemctl kill --kill-whom main --signal STOP $unit
holds_soon "a daemon that hangs is replaced" property_is NRestarts 1
holds_soon "its successor is ready" property_is ActiveState active
holds "it is another process" fails_with 1 . same "$(property MainPID)" "$pid"
holds "the reason is in the journal" prints 'Watchdog timeout' journalctl -u $unit
holds "the claim is held" claim_is alpha prepared
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "it can be released" succeeds drapci unprepare alpha
holds "and nothing is left" vfs_are 0
verdict
