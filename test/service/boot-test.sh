#!/bin/bash
# boot-test.sh OUT DRAPCI-SIM - boot-systemd.sh reports what its command did, and leaves nothing behind.
# shellcheck disable=SC2016,SC2317  # functions are called by `holds`
set -u
readonly out=$1 sim=$2
boot=$(dirname "$(readlink -f "$0")")/boot-systemd.sh
readonly boot
broken=0
mkdir -p "$out"
# In the command line of everything that runs in the machine.
readonly mark=boot-test-$$

holds() {
  if "${@:2}"; then echo "ok: $1"; else echo "BROKEN: $1"; broken=1; fi
}
same() { [ "$1" = "$2" ] || { echo "  got '$1', not '$2'"; return 1; }; }
soon() {
  local end=$((SECONDS + 10))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

machine() { "$sim" run --board sriov-nic -- "$boot" -o "$out" -b "$(dirname "$boot")" "$@"; }
status_of() {
  machine "$@" > "$out"/log 2>&1
  echo $?
}
# start_machine: its command goes on for ever.
start_machine() {
  rm -rf "$out"/test
  "$sim" run --board sriov-nic -- "$boot" -o "$out" -- bash -c 'echo up; exec -a "$0" sleep 1000' "$mark" \
    > "$out"/log 2>&1 &
  pid=$!
  soon grep -qs up "$out"/test/output
}
gone() { ! pgrep -f "$mark" > /dev/null && ! pgrep -f "systemd.*--unit=test.target" > /dev/null; }
# Control groups of machines that are not running.
stale_groups() {
  unshare -m bash -c '
    mount -t cgroup2 none "$0" || exit
    for group in "$0"/drapci-test.*; do
      [ ! -d "$group" ] || kill -0 "${group##*.}" 2> /dev/null || echo "$group"
    done' "$out"/cgroup
}

status=$(status_of -- bash -c 'exit 3')
[ "$status" != 77 ] || { cat "$out"/log; exit 77; }
holds "the exit status is the command's" same "$status" 3
holds "success, too" same "$(status_of -- true)" 0
holds "what does not end is ended" same "$(status_of -t 2 -- sleep 1000)" 124

holds "a machine runs" start_machine
kill -TERM "$pid"
wait "$pid" 2> /dev/null
holds "terminated, it leaves no process" soon gone
holds "nor a control group" same "$(stale_groups)" ''

holds "a machine runs" start_machine
kill -KILL "$pid"
wait "$pid" 2> /dev/null
holds "killed, it leaves no process" soon gone
machine -- true > /dev/null 2>&1
holds "and the next machine removes its control group" same "$(stale_groups)" ''
exit $broken
