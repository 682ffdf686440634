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

# One thread alone stops: main, which speaks with systemd, goes on.
restarts=1
stuck() {
  local pid
  pid=$(property MainPID)
  restarts=$((restarts + 1))
  coproc HOLD { "$(dirname "$0")/../hold-thread.py" "$pid" "$1"; }
  local holder=$HOLD_PID
  read -r line <&"${HOLD[0]}"
  holds "the thread '$1' is held" same "$line" held
  holds_soon "which is shown" prints "Status: \"stuck: $2" systemctl status $unit
  holds_soon "and ends with another daemon" property_is NRestarts $restarts
  holds_soon "that is ready" property_is ActiveState active
  holds "the journal names the reason" prints "stuck: $2.*systemd restarts the daemon" \
    journalctl --output cat _PID="$pid"
  wait "$holder" 2> /dev/null
}
stuck follow 'kernel events'
stuck accept '(control|kubelet|registration) socket'
holds "the claim is held all the time" claim_is alpha prepared

holds "it can be released" succeeds drapci unprepare alpha
holds "and nothing is left" vfs_are 0
verdict
